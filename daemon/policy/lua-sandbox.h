/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One policy's Lua state: what it may call, how much memory and time it may use, and what it declared. A security boundary: the text of a policy is
 * taken for hostile.
 *
 * What bounds a policy, and why each is needed (all of them attacked in tests/policy):
 *  - memory: a fixed arena; single strings and blocks are bounded too, since one instruction can copy, compare or scan a whole one
 *  - instructions: one budget per event, counted by a hook that fires at every instruction once it is spent, so that pcall cannot save the policy
 *  - bytes: what is allocated is charged to the same budget, and a failed allocation is charged the garbage collection that it causes
 *  - the thread's CPU time per epoch, looked at by the hook: the net below, for what C code does between two instructions
 */
#ifndef LUA_SANDBOX_H
#define LUA_SANDBOX_H

#include "policy-set.h"

#define SANDBOX_SOURCE_MAX ((size_t) 64 * 1024) /* the parser is not interruptible: its input is bounded instead */
#define SANDBOX_STRING_MAX ((size_t) 4096)      /* comparing two strings is one instruction */
#define SANDBOX_BLOCK_MAX ((size_t) 512 * 1024) /* a table of 16,384 keys; next() may scan a whole one in one call */
#define SANDBOX_PARAMETERS_MAX 64

struct lua_sandbox;

enum policy_event { POLICY_ON_START, POLICY_ON_EPOCH, POLICY_ON_DOMAIN, POLICY_ON_DEVICE, POLICY_ON_CORE, POLICY_ON_NIC, _POLICY_EVENT_MAX };

/* Loads `source` (text; bytecode is refused) and runs it once; it must return what `policy {}` returned. `name`, `priority`: of the file. `callbacks` and its
 * userdata must outlive the sandbox. 0; -EINVAL: not a good policy, ret_error says why; -ENOMEM. */
int lua_sandbox_new(struct lua_sandbox **ret, const char *name, int priority, const char *source, size_t size, const struct policy_limits *limits,
                    const struct policy_callbacks *callbacks, char *ret_error, size_t error_size);
struct lua_sandbox *lua_sandbox_free(struct lua_sandbox *sandbox);
static inline void lua_sandbox_freep(struct lua_sandbox **sandbox) { lua_sandbox_free(*sandbox); }

/* What the policy declared. The parameters' `value` may be written; the array lives as long as the sandbox, sorted by name. */
const char *lua_sandbox_doc(const struct lua_sandbox *sandbox);
struct policy_parameter *lua_sandbox_parameters(struct lua_sandbox *sandbox, size_t *ret_n);
bool lua_sandbox_handles(const struct lua_sandbox *sandbox, enum policy_event event);

/* An epoch: between begin and end the model does not change, and the policy may read it and append intents. */
void lua_sandbox_begin(struct lua_sandbox *sandbox, const struct host *host, struct intent_list *intents);
void lua_sandbox_end(struct lua_sandbox *sandbox);
/* Calls the handler of `event`, if there is one; `subject` is NULL for on_start and on_epoch. 0; -EINVAL: it erred, exceeded a limit or flooded intents:
 * ret_error says which, and the sandbox is not to be called again; -ENOMEM: no memory for an intent. */
int lua_sandbox_call(struct lua_sandbox *sandbox, enum policy_event event, const struct host_event *subject, char *ret_error, size_t error_size);

unsigned lua_sandbox_n_intents(const struct lua_sandbox *sandbox); /* since begin */
size_t lua_sandbox_memory(const struct lua_sandbox *sandbox);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread's side: org.freedesktop.systemd1(5), asynchronously, so that the loop never waits for anything but its own events. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "connection-private.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define UNIT_PATH "/org/freedesktop/systemd1/unit"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define SLICE_INTERFACE "org.freedesktop.systemd1.Slice"

/* systemd sends no signal when AllowedCPUs changes: so it is read. What somebody else changed is noticed that late, or when it is to be set. */
#define READ_EVERY_USEC (2 * 1000 * 1000ULL)
/* From one attempt to reach a systemd that is away to the next: once a second at first, about once a minute in the end. */
#define PAUSE_MIN_USEC (1000 * 1000ULL)
#define PAUSE_MAX_USEC (64 * 1000 * 1000ULL)
/* A question stays in the queue of a systemd that is stopped, and is answered when it goes on; this is only for one that was lost. */
#define CALL_TIMEOUT_USEC (60 * 1000 * 1000ULL)
/* How long the end may take: systemd answers within milliseconds, or is not well. */
#define DRAIN_USEC (2 * 1000 * 1000ULL)
#define ACCURACY_USEC (10 * 1000ULL)

struct conversation;

/* One slice, as the thread sees it. */
struct talk {
        struct conversation *conversation;
        struct shared_slice *shared;
        sd_bus_slot *load_slot, *read_slot, *set_slot; /* calls that are not answered yet */
        int set_result;
};

struct conversation {
        struct connection *connection;
        sd_event *event;
        sd_bus *bus; /* NULL: not connected */
        sd_event_source *timer, *drain;
        uint64_t pause_usec;
        struct talk talks[SLICES_MAX];
        size_t n_talks;
};

static void send_read(struct talk *talk);

/* --- the shared part */

static void lock(struct conversation *conversation) {
        pthread_mutex_lock(&conversation->connection->lock);
}

static void unlock(struct conversation *conversation) {
        pthread_mutex_unlock(&conversation->connection->lock);
}

static void tell_news(struct conversation *conversation) {
        atomic_store(&conversation->connection->news, true);
}

static bool is_busy(enum stage stage) {
        return stage == STAGE_QUEUED || stage == STAGE_CHECKING || stage == STAGE_SETTING;
}

/* With the lock. */
static bool is_drained(const struct conversation *conversation) {
        for (size_t i = 0; i < conversation->n_talks; i++)
                if (is_busy(conversation->talks[i].shared->stage))
                        return false;
        return true;
}

/* With the lock. To a knob these words mean that the slice is gone, which is not what systemd or the bus mean by them. */
static void finish(struct talk *talk, int result) {
        struct connection *connection = talk->conversation->connection;
        struct shared_slice *shared = talk->shared;

        shared->result = result == -ENOENT || result == -ENODEV || result == -ESRCH ? -EIO : result;
        shared->stage = shared->abandoned ? STAGE_NONE : STAGE_DONE;
        if (shared->abandoned)
                tell_news(talk->conversation);
        shared->abandoned = false;
        pthread_cond_broadcast(&connection->changed);
        if (connection->stop && is_drained(talk->conversation))
                (void) sd_event_exit(talk->conversation->event, 0);
}

/* With the lock. */
static void note_trouble(struct conversation *conversation, const char *what, const char *text) {
        snprintf(conversation->connection->trouble, sizeof conversation->connection->trouble, "%s: %s", what, text);
}

static void rearm(struct conversation *conversation, uint64_t usec) {
        if (sd_event_source_set_time_relative(conversation->timer, usec) >= 0)
                (void) sd_event_source_set_enabled(conversation->timer, SD_EVENT_ONESHOT);
}

static void note_answer(struct conversation *conversation) {
        struct connection *connection = conversation->connection;

        lock(conversation);
        if (!connection->answers)
                tell_news(conversation);
        connection->answers = true;
        unlock(conversation);
        conversation->pause_usec = PAUSE_MIN_USEC;
}

static void note_silence(struct conversation *conversation, const char *what, const char *text) {
        struct connection *connection = conversation->connection;

        lock(conversation);
        if (connection->answers)
                tell_news(conversation);
        connection->answers = false;
        note_trouble(conversation, what, text);
        /* Nothing was set yet by those that wait or are still being checked; of the others only a later read can tell. */
        for (size_t i = 0; i < conversation->n_talks; i++)
                if (conversation->talks[i].shared->stage == STAGE_QUEUED || conversation->talks[i].shared->stage == STAGE_CHECKING)
                        finish(conversation->talks + i, -ENOTCONN);
        unlock(conversation);
}

/* --- questions and answers */

/* Did the answer come from the bus, since systemd gave none? */
static bool is_silence(const sd_bus_error *error) {
        return sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                      SD_BUS_ERROR_DISCONNECTED, "org.freedesktop.DBus.Error.TimedOut");
}

static int on_loaded(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct talk *talk = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        (void) ret_error;
        talk->load_slot = sd_bus_slot_unref(talk->load_slot);
        if (error && is_silence(error))
                return 0; /* the read that was sent with it meets the same */
        lock(talk->conversation);
        if (talk->shared->loaded != !error)
                tell_news(talk->conversation);
        talk->shared->loaded = !error;
        unlock(talk->conversation);
        return 0;
}

static int read_mask(sd_bus_message *reply, struct affinity_mask *ret) {
        const void *bytes;
        size_t size;

        int r = sd_bus_message_enter_container(reply, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'y', &bytes, &size);
        return r < 0 ? r : slice_mask_from_bytes(bytes, size, ret);
}

static int on_set(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct talk *talk = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        (void) ret_error;
        talk->set_slot = sd_bus_slot_unref(talk->set_slot);
        talk->set_result = -sd_bus_message_get_errno(reply);
        if (error) {
                lock(talk->conversation);
                note_trouble(talk->conversation, "SetUnitProperties", error->message ?: error->name);
                unlock(talk->conversation);
        }
        if (!talk->read_slot) /* its answer came first, since systemd asked polkit about this one */
                send_read(talk);
        return 0;
}

/* Without `ret_slot` no answer is expected. */
static int call_set(struct talk *talk, const struct affinity_mask *mask, sd_bus_slot **ret_slot) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
        struct conversation *conversation = talk->conversation;
        uint8_t bytes[SLICE_BYTES_MAX];
        size_t n_bytes = slice_mask_to_bytes(mask, bytes);

        int r = sd_bus_message_new_method_call(conversation->bus, &message, SYSTEMD_NAME, SYSTEMD_PATH, MANAGER_INTERFACE, "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(message, "sb", talk->shared->name, true /* until the next boot */);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "AllowedCPUs");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(message, 'y', bytes, n_bytes);
        for (int i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_call_async(conversation->bus, ret_slot, message, ret_slot ? on_set : NULL, talk, CALL_TIMEOUT_USEC);
}

/*
 * `asked` is the thread's from CHECKING on. Linux does not let the cpuset of a control group that has processes be emptied (ENOSPC), and systemd forgets AllowedCPUs all the same: what was
 * in effect stays in effect (systemd issue 43846). So all CPUs are put into effect first.
 */
static void send_set(struct talk *talk) {
        const struct affinity_mask *asked = &talk->shared->asked;
        int r = slice_mask_is_empty(asked) ? call_set(talk, &talk->conversation->connection->all_cpus, NULL) : 0;

        talk->set_result = 0;
        if (r >= 0)
                r = call_set(talk, asked, &talk->set_slot);
        if (r < 0) {
                lock(talk->conversation);
                note_trouble(talk->conversation, "SetUnitProperties", strerror(-r));
                finish(talk, r);
                unlock(talk->conversation);
                return;
        }
        send_read(talk);
}

/* With the lock. True: now it is to be set. */
static bool go_on_with_request(struct talk *talk) {
        struct shared_slice *shared = talk->shared;

        switch (shared->stage) {
        case STAGE_CHECKING:
                if (!slice_mask_equal(&shared->cpus, &shared->expected)) {
                        finish(talk, -ESTALE);
                        return false;
                }
                shared->stage = STAGE_SETTING;
                return true;
        case STAGE_SETTING:
                if (!talk->set_slot) /* else its answer is to come, and then this is asked again */
                        finish(talk, slice_mask_equal(&shared->cpus, &shared->asked) ? 0 : talk->set_result);
                return false;
        default:
                return false;
        }
}

static void take_picture(struct talk *talk, const struct affinity_mask *mask) {
        struct conversation *conversation = talk->conversation;
        struct shared_slice *shared = talk->shared;

        note_answer(conversation);
        lock(conversation);
        if (!shared->known || !slice_mask_equal(&shared->cpus, mask))
                tell_news(conversation);
        shared->known = true;
        shared->cpus = *mask;
        pthread_cond_broadcast(&conversation->connection->changed);
        bool set = go_on_with_request(talk);
        unlock(conversation);
        if (set)
                send_set(talk);
}

static int on_read(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct talk *talk = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        struct affinity_mask mask;

        (void) ret_error;
        talk->read_slot = sd_bus_slot_unref(talk->read_slot);
        int r = error ? 0 : read_mask(reply, &mask);
        if (error || r < 0)
                note_silence(talk->conversation, "AllowedCPUs", error ? error->message ?: error->name : strerror(-r));
        else
                take_picture(talk, &mask);
        return 0;
}

/* Asks anew: an answer to what was asked before the last change says nothing. */
static void send_read(struct talk *talk) {
        struct conversation *conversation = talk->conversation;
        _cleanup_(freep) char *path = NULL;

        talk->read_slot = sd_bus_slot_unref(talk->read_slot);
        if (!conversation->bus)
                return;
        int r = 0;
        /* Before the read, which would bring the unit into memory. */
        if (!talk->shared->loaded && !talk->load_slot)
                r = sd_bus_call_method_async(conversation->bus, &talk->load_slot, SYSTEMD_NAME, SYSTEMD_PATH, MANAGER_INTERFACE, "GetUnit", on_loaded, talk, "s",
                                             talk->shared->name);
        if (r >= 0)
                r = sd_bus_path_encode(UNIT_PATH, talk->shared->name, &path);
        if (r >= 0)
                r = sd_bus_call_method_async(conversation->bus, &talk->read_slot, SYSTEMD_NAME, path, "org.freedesktop.DBus.Properties", "Get", on_read, talk,
                                             "ss", SLICE_INTERFACE, "AllowedCPUs");
        if (r < 0)
                note_silence(conversation, "AllowedCPUs", strerror(-r));
}

/* --- the connection */

static void drop_calls(struct conversation *conversation, int result) {
        for (size_t i = 0; i < conversation->n_talks; i++) {
                struct talk *talk = conversation->talks + i;
                talk->load_slot = sd_bus_slot_unref(talk->load_slot);
                talk->read_slot = sd_bus_slot_unref(talk->read_slot);
                if (talk->set_slot)
                        talk->set_result = result;
                talk->set_slot = sd_bus_slot_unref(talk->set_slot);
        }
}

static void disconnect(struct conversation *conversation) {
        if (!conversation->bus)
                return;
        drop_calls(conversation, -ENOTCONN);
        (void) sd_bus_detach_event(conversation->bus);
        /* not flush_close: that would wait */
        conversation->bus = sd_bus_close_unref(conversation->bus);
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        struct conversation *conversation = userdata;

        (void) message;
        (void) ret_error;
        disconnect(conversation);
        note_silence(conversation, "system bus", "the connection is lost");
        rearm(conversation, conversation->pause_usec);
        return 0;
}

static int connect_bus(struct conversation *conversation) {
        int r = sd_bus_open_system_with_description(&conversation->bus, "iocored-systemd");

        if (r >= 0)
                r = sd_bus_set_method_call_timeout(conversation->bus, CALL_TIMEOUT_USEC);
        if (r >= 0)
                r = sd_bus_match_signal(conversation->bus, NULL, NULL, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                                        on_disconnected, conversation);
        if (r >= 0)
                r = sd_bus_attach_event(conversation->bus, conversation->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                disconnect(conversation);
        return r;
}

static void read_all(struct conversation *conversation) {
        for (size_t i = 0; i < conversation->n_talks; i++)
                if (!conversation->talks[i].read_slot)
                        send_read(conversation->talks + i);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct conversation *conversation = userdata;

        (void) source;
        (void) usec;
        if (!conversation->bus) {
                int r = connect_bus(conversation);
                if (r < 0)
                        note_silence(conversation, "system bus", strerror(-r));
        }
        read_all(conversation);
        lock(conversation);
        bool answers = conversation->connection->answers;
        unlock(conversation);
        rearm(conversation, answers ? READ_EVERY_USEC : conversation->pause_usec);
        if (!answers && conversation->pause_usec < PAUSE_MAX_USEC)
                conversation->pause_usec *= 2;
        return 0;
}

/* --- what the main thread wants */

/* With the lock. New slices are met, queued requests begin. */
static void take_wishes(struct conversation *conversation, bool wishes[static SLICES_MAX]) {
        struct connection *connection = conversation->connection;

        for (size_t i = 0; i < connection->n_slices; i++) {
                struct shared_slice *shared = connection->slices + i;
                wishes[i] = i >= conversation->n_talks || shared->stage == STAGE_QUEUED;
                if (i >= conversation->n_talks)
                        conversation->talks[conversation->n_talks++] = (struct talk) { .conversation = conversation, .shared = shared };
                if (shared->stage == STAGE_QUEUED && conversation->bus)
                        shared->stage = STAGE_CHECKING;
                else if (shared->stage == STAGE_QUEUED)
                        finish(conversation->talks + i, -ENOTCONN);
        }
}

static int on_drain_end(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) usec;
        (void) userdata;
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct conversation *conversation = userdata;
        bool wishes[SLICES_MAX] = { false };
        eventfd_t value;

        (void) source;
        (void) events;
        (void) eventfd_read(fd, &value);
        lock(conversation);
        take_wishes(conversation, wishes);
        bool stop = conversation->connection->stop, drained = is_drained(conversation);
        unlock(conversation);
        if (stop && (drained || sd_event_add_time_relative(conversation->event, &conversation->drain, CLOCK_MONOTONIC, DRAIN_USEC, ACCURACY_USEC, on_drain_end,
                                                           conversation) < 0))
                return sd_event_exit(conversation->event, 0);
        for (size_t i = 0; i < conversation->n_talks; i++)
                if (wishes[i])
                        send_read(conversation->talks + i);
        return 0;
}

static int set_up(struct conversation *conversation) {
        int r = sd_event_new(&conversation->event);

        if (r >= 0)
                r = sd_event_add_io(conversation->event, NULL, conversation->connection->wake_fd, EPOLLIN, on_wake, conversation);
        if (r >= 0)
                r = sd_event_add_time_relative(conversation->event, &conversation->timer, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer, conversation);
        return r;
}

void *conversation_run(void *userdata) {
        struct conversation conversation = { .connection = userdata, .pause_usec = PAUSE_MIN_USEC };
        bool wishes[SLICES_MAX];

        lock(&conversation);
        take_wishes(&conversation, wishes);
        unlock(&conversation);
        int r = set_up(&conversation);
        if (r >= 0)
                r = sd_event_loop(conversation.event);
        if (r < 0)
                note_silence(&conversation, "the plugin's thread", strerror(-r));
        disconnect(&conversation);
        sd_event_source_unref(conversation.timer);
        sd_event_source_unref(conversation.drain);
        sd_event_unref(conversation.event);
        return NULL;
}

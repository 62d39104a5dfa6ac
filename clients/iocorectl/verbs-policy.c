/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policy list | show NAME | set NAME PARAMETER VALUE | enable NAME | disable NAME | reload */
#include <stdio.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

static int policy_list(struct client *client) {
        static const struct column columns[] = {
                {"PRIO", "priority", COLUMN_ID, false, false},     {"POLICY", "name", COLUMN_TEXT, false, false},
                {"STATE", "state", COLUMN_WORD, false, false},     {"RUNS", "runs", COLUMN_ID, false, false},
                {"INTENTS", "intents", COLUMN_ID, false, false},   {"MEMORY", "memory_bytes", COLUMN_RATE, false, false},
                {"WHAT IT DOES", "doc", COLUMN_TEXT, true, false}, {"ERROR", "error", COLUMN_TEXT, true, false},
        };
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) "policies", NULL};
        int status;

        status = client_state(client, sections, &state);
        return status != EXIT_OK ? status
                                 : show_table(client, cJSON_GetObjectItemCaseSensitive(state, "policies"), columns, ELEMENTSOF(columns));
}

static int policy_show(struct client *client, const char *name) {
        static const struct column columns[] = {
                {"PARAMETER", "name", COLUMN_TEXT, false, false},  {"VALUE", "value", COLUMN_TEXT, false, false},
                {"DEFAULT", "default", COLUMN_TEXT, false, false}, {"MIN", "minimum", COLUMN_TEXT, false, false},
                {"MAX", "maximum", COLUMN_TEXT, false, false},     {"UNIT", "unit", COLUMN_TEXT, false, false},
                {"WHAT IT DOES", "doc", COLUMN_TEXT, true, false},
        };
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) "policies", NULL};
        const cJSON *policy, *found = NULL;
        const char *word;
        int status;

        status = client_state(client, sections, &state);
        if (status != EXIT_OK)
                return status;
        cJSON_ArrayForEach(policy, cJSON_GetObjectItemCaseSensitive(state, "policies")) {
                if (strcmp(json_text(policy, "name"), name) == 0)
                        found = policy;
        }
        if (!found) {
                fprintf(stderr, "iocorectl: There is no policy \"%s\"\n", name);
                return EXIT_REFUSED;
        }
        if (client->json)
                return show_json(found, false);
        word = json_text(found, "state");
        printf("%s, %s%s%s\n", json_text(found, "name"), colour_of(client, word), word, colour_end(client));
        show_field("does", "%s", json_text(found, "doc"));
        show_field("file", "%s", json_text(found, "path"));
        show_field("priority", "%.0f", json_number(found, "priority", 0));
        show_field("so far", "%.0f runs, %.0f intents, %.0f bytes in use", json_number(found, "runs", 0), json_number(found, "intents", 0),
                   json_number(found, "memory_bytes", 0));
        if (json_text(found, "error")[0])
                show_field("error", "%s", json_text(found, "error"));
        putchar('\n');
        return show_table(client, cJSON_GetObjectItemCaseSensitive(found, "parameters"), columns, ELEMENTSOF(columns));
}

/* A change that has no outcome but that it was made. */
static int done(struct client *client, int status) {
        if (status == EXIT_OK && client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddTrueToObject(json, "done");
                return show_json(json, false);
        }
        return status;
}

int verb_policy(struct client *client, char **arguments, int n) {
        const char *what = n > 0 ? arguments[0] : "list";

        if (strcmp(what, "list") == 0 && n <= 1)
                return policy_list(client);
        if (strcmp(what, "show") == 0 && n == 2)
                return policy_show(client, arguments[1]);
        if (strcmp(what, "set") == 0 && n == 4)
                return done(client, client_call(client, "SetPolicyParameter", NULL, "sss", arguments[1], arguments[2], arguments[3]));
        if ((strcmp(what, "enable") == 0 || strcmp(what, "disable") == 0) && n == 2)
                return done(client, client_call(client, "EnablePolicy", NULL, "sb", arguments[1], what[0] == 'e'));
        if (strcmp(what, "reload") == 0 && n == 1)
                return verb_reload(client, NULL, 0);
        return wrong_use("policy");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iocorectl doctor: what this host offers, and what the daemon, if it runs, cannot do on it. */
#include <errno.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/cn_proc.h>

#include "daemon/cleanup.h"
#include "doctor.h"
#include "iocorectl.h"

/* A subscription without a request to be told anything: the kernel checks the right to it at once. */
static int try_connector(void) {
        const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);

        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

static cJSON *add_finding(cJSON *array, const char *name, const char *doc, const struct doctor_finding *finding) {
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "check", name);
        cJSON_AddStringToObject(json, "answer", doctor_answer_to_string(finding->answer));
        cJSON_AddStringToObject(json, "about", doc);
        cJSON_AddStringToObject(json, "found", finding->found);
        cJSON_AddStringToObject(json, "advice", finding->advice);
        cJSON_AddItemToArray(array, json);
        return json;
}

/* Returns how many checks could not be made. */
static unsigned look_at_host(const struct doctor_host *host, cJSON *ret_findings) {
        unsigned n_unknown = 0;

        for (const struct doctor_check *check = doctor_checks; check->name; check++) {
                struct doctor_finding finding = {.answer = DOCTOR_UNKNOWN};

                check->look(host, &finding);
                n_unknown += finding.answer == DOCTOR_UNKNOWN;
                (void) add_finding(ret_findings, check->name, check->doc, &finding);
        }
        return n_unknown;
}

/* ---- the daemon */

static void tell_of_daemon(const cJSON *state, cJSON *findings) {
        struct doctor_finding finding = {.answer = DOCTOR_YES};
        const cJSON *item;

        finding_set(&finding, DOCTOR_YES, "iocored %s runs, mode %s", json_text(state, "version"), json_text(state, "mode"));
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "plugins")) {
                const cJSON *about;

                if (strcmp(json_text(item, "status"), "open") != 0)
                        continue;
                finding_add(&finding, "; plugin %s", json_text(item, "name"));
                cJSON_ArrayForEach(about, cJSON_GetObjectItemCaseSensitive(item, "about")) {
                        finding_add(&finding, ", %s: %s", json_text(about, "key"), json_text(about, "value"));
                }
        }
        (void) add_finding(findings, "daemon", "iocored", &finding);
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "unavailable")) {
                char name[64];

                (void) snprintf(name, sizeof(name), "can-%s", item->string);
                finding = (struct doctor_finding){.answer = DOCTOR_NO};
                finding_set(&finding, DOCTOR_NO, "%s", cJSON_IsString(item) ? item->valuestring : "");
                (void) add_finding(findings, name, "what the daemon cannot do here", &finding);
        }
}

/* ---- guest cells */

/* The XML that the daemon advises for a domain. To be freed; NULL: none. */
static char *ask_for_cells(struct client *client, const char *domain) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        const char *xml = "";

        if (client_call(client, "Advise", &reply, "s", domain) != EXIT_OK || sd_bus_message_read(reply, "s", &xml) < 0 || xml[0] == '\0')
                return NULL;
        return strdup(xml);
}

static void advise_cells(struct client *client, const cJSON *domain, cJSON *findings) {
        const char *name = json_text(domain, "name");
        _cleanup_free_ char *xml = ask_for_cells(client, name);
        struct doctor_finding finding = {.answer = DOCTOR_PARTLY};

        if (!xml)
                return;
        finding_set(&finding, DOCTOR_PARTLY, "domain %s is larger than a node and has one cell: its guest cannot know which of its memory is near", name);
        finding_advise(&finding, "give it the cells that \"iocorectl domain advise\" prints, by virsh edit; it has them from its next start on");
        (void) cJSON_AddStringToObject(add_finding(findings, "guest-cells", "domains that are larger than a node have guest cells", &finding), "xml", xml);
}

/* Only of a host with several nodes, and of domains that the daemon may advise something for. */
static void tell_of_cells(struct client *client, const cJSON *state, cJSON *findings) {
        const cJSON *domains = cJSON_GetObjectItemCaseSensitive(state, "domains"), *domain;
        const int before = cJSON_GetArraySize(findings);
        struct doctor_finding finding = {.answer = DOCTOR_YES};

        if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(state, "nodes")) < 2 || cJSON_GetArraySize(domains) == 0)
                return;
        cJSON_ArrayForEach(domain, domains) {
                if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(domain, "cells")) == 1)
                        advise_cells(client, domain, findings);
        }
        if (cJSON_GetArraySize(findings) > before)
                return;
        finding_set(&finding, DOCTOR_YES, "each domain fits a node, or has guest cells");
        (void) add_finding(findings, "guest-cells", "domains that are larger than a node have guest cells", &finding);
}

static void look_at_daemon(struct client *client, cJSON *findings) {
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) "nodes", (char *) "domains", NULL};
        struct doctor_finding finding = {.answer = DOCTOR_NO};

        client->quiet = true;
        if (client_state(client, sections, &state) == EXIT_OK) {
                tell_of_daemon(state, findings);
                tell_of_cells(client, state, findings);
        } else {
                finding_set(&finding, DOCTOR_NO, "iocored cannot be reached on the bus \"%s\"", client->bus_address);
                finding_advise(&finding, "systemctl start iocored, or --bus ADDRESS");
                (void) add_finding(findings, "daemon", "iocored", &finding);
        }
        client->quiet = false;
}

/* ---- the verb */

/* For people, what was found and what to do stand in one column. */
static void join_advice(cJSON *findings) {
        cJSON *finding;

        cJSON_ArrayForEach(finding, findings) {
                const char *advice = json_text(finding, "advice");
                char text[sizeof(((struct doctor_finding *) NULL)->found) + sizeof(((struct doctor_finding *) NULL)->advice) + 8];

                if (advice[0] == '\0')
                        continue;
                (void) snprintf(text, sizeof(text), "%s -- %s", json_text(finding, "found"), advice);
                (void) cJSON_ReplaceItemInObjectCaseSensitive(finding, "found", cJSON_CreateString(text));
        }
}

/* For people, XML does not stand in a table. */
static void show_cells(const cJSON *findings) {
        const cJSON *finding;

        cJSON_ArrayForEach(finding, findings) {
                const char *xml = json_text(finding, "xml");

                if (xml[0] == '\0')
                        continue;
                putchar('\n');
                show_text(json_text(finding, "found"));
                puts(". What would fit:");
                fputs(xml, stdout);
        }
}

int verb_doctor(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"CHECK", "check", COLUMN_TEXT, false, false},
                {"ANSWER", "answer", COLUMN_WORD, false, false},
                {"FOUND -- WHAT TO DO", "found", COLUMN_TEXT, true, false},
        };
        _cleanup_(json_freep) cJSON *findings = cJSON_CreateArray();
        const bool here = client->root[strspn(client->root, "/")] == '\0';
        struct doctor_host host;
        unsigned n_unknown;
        int status, r;

        (void) arguments, (void) n;
        r = doctor_host_open(&host, client->root);
        if (r < 0) {
                fprintf(stderr, "iocorectl: --root: %s: %s\n", client->root, strerror(-r));
                return EXIT_USAGE;
        }
        if (here)
                host.try_connector = try_connector;
        n_unknown = look_at_host(&host, findings);
        doctor_host_close(&host);
        if (here || client->given & OPTION_BUS)
                look_at_daemon(client, findings);
        if (!client->json)
                join_advice(findings);
        status = show_table(client, findings, columns, ELEMENTSOF(columns));
        if (status == EXIT_OK && !client->json)
                show_cells(findings);
        return status == EXIT_OK && n_unknown > 0 ? EXIT_REFUSED : status;
}

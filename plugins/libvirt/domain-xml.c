/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "daemon/cleanup.h"
#include "domain-xml.h"
#include "plugins/vhost-thread/affinity.h"
#include "wishes.h"

/* --- libxml2 */

static void xml_freep(xmlChar **text) {
        if (*text)
                xmlFree(*text);
}
static void document_freep(xmlDocPtr *document) {
        xmlFreeDoc(*document);
}
static void context_freep(xmlXPathContextPtr *context) {
        xmlXPathFreeContext(*context);
}
static void found_freep(xmlXPathObjectPtr *found) {
        xmlXPathFreeObject(*found);
}
static void parser_freep(xmlParserCtxtPtr *parser) {
        if (*parser)
                xmlFreeParserCtxt(*parser);
}
#define _cleanup_xml_ _cleanup_(xml_freep)
#define _cleanup_found_ _cleanup_(found_freep)

static void refuse_dtd(void *userdata, const xmlChar *name, const xmlChar *external, const xmlChar *system) {
        (void) name, (void) external, (void) system;
        xmlStopParser(userdata);
}

static int read_document(const char *text, size_t length, xmlDocPtr *ret) {
        if (length > DOMAIN_XML_MAX || length > INT_MAX)
                return -E2BIG;
        _cleanup_(parser_freep) xmlParserCtxtPtr parser = xmlNewParserCtxt();
        if (!parser)
                return -ENOMEM;
        parser->sax->internalSubset = refuse_dtd;
        xmlDocPtr document = xmlCtxtReadMemory(parser, text, (int) length, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT);
        bool no_memory = parser->errNo == XML_ERR_NO_MEMORY;
        if (!document)
                return no_memory ? -ENOMEM : -EBADMSG;
        *ret = document;
        return 0;
}

static bool is_named(const xmlNode *node, const char *name) {
        return node->type == XML_ELEMENT_NODE && !node->ns && strcmp((const char *) node->name, name) == 0;
}

static xmlNodePtr child(xmlNodePtr node, const char *name) {
        for (xmlNodePtr inner = node ? node->children : NULL; inner; inner = inner->next)
                if (is_named(inner, name))
                        return inner;
        return NULL;
}

/* An attribute of a node that may be NULL; NULL when there is none. To be freed. */
static xmlChar *attribute(xmlNodePtr node, const char *name) {
        return node ? xmlGetNoNsProp(node, (const xmlChar *) name) : NULL;
}

static xmlXPathObjectPtr find(xmlXPathContextPtr context, const char *path) {
        return xmlXPathEvalExpression((const xmlChar *) path, context);
}

static size_t count(xmlXPathObjectPtr found) {
        return found && found->nodesetval && found->nodesetval->nodeNr > 0 ? (size_t) found->nodesetval->nodeNr : 0;
}

static xmlNodePtr first(xmlXPathContextPtr context, const char *path) {
        _cleanup_found_ xmlXPathObjectPtr found = find(context, path);
        return count(found) > 0 ? found->nodesetval->nodeTab[0] : NULL;
}

/* --- texts and numbers */

/* UTF-8 stays, and is cut between characters; control characters, which XML can have as references, do not. */
static void copy_printable(char *ret, size_t size, const char *text) {
        size_t length = strlen(text);

        if (length >= size) {
                length = size - 1;
                while (length > 0 && ((unsigned char) text[length] & 0xc0) == 0x80)
                        length--;
        }
        for (size_t i = 0; i < length; i++)
                ret[i] = (unsigned char) text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
        ret[length] = '\0';
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
        size_t length = text ? strspn(text, "0123456789") : 0;

        if (length == 0 || length > 19 || text[length] != '\0')
                return false;
        uint64_t number = strtoull(text, NULL, 10);
        if (number > max)
                return false;
        *ret = number;
        return true;
}

/* `fallback` for one that is missing or none. */
static uint64_t number_attribute(xmlNodePtr node, const char *name, uint64_t max, uint64_t fallback) {
        _cleanup_xml_ xmlChar *text = attribute(node, name);
        uint64_t number;
        return parse_number((const char *) text, max, &number) ? number : fallback;
}

static void text_attribute(xmlNodePtr node, const char *name, char *ret, size_t size) {
        _cleanup_xml_ xmlChar *text = attribute(node, name);
        copy_printable(ret, size, text ? (const char *) text : "");
}

static bool attribute_is(xmlNodePtr node, const char *name, const char *value) {
        _cleanup_xml_ xmlChar *text = attribute(node, name);
        return text && strcmp((const char *) text, value) == 0;
}

/* A list of CPUs or nodes in the one form that it has here; NULL: there is none, or it is no list. */
static char *list_attribute(xmlNodePtr node, const char *name) {
        _cleanup_xml_ xmlChar *text = attribute(node, name);
        char list[IOCORE_VALUE_MAX];
        struct affinity_mask mask;

        if (!text || affinity_parse((const char *) text, &mask) < 0 || affinity_format(&mask, list, sizeof list) < 0)
                return NULL;
        return strdup(list);
}

/* Units of formatdomain.html; libvirt itself writes KiB. 0 when it is no size. */
static uint64_t size_in_kib(xmlNodePtr node, const char *number) {
        static const struct { const char *name; uint64_t bytes; } units[] = {
                { "KiB", 1u << 10 }, { "k", 1u << 10 }, { "MiB", 1u << 20 }, { "M", 1u << 20 }, { "GiB", 1u << 30 }, { "G", 1u << 30 }, { "TiB", 1ull << 40 },
                { "T", 1ull << 40 }, { "b", 1 }, { "bytes", 1 }, { "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 },
        };
        _cleanup_xml_ xmlChar *unit = attribute(node, "unit");
        uint64_t bytes = unit ? 0 : 1u << 10, size;

        for (size_t i = 0; unit && i < ELEMENTSOF(units); i++)
                if (strcmp((const char *) unit, units[i].name) == 0)
                        bytes = units[i].bytes;
        if (bytes == 0 || !parse_number(number, UINT64_MAX / 2, &size) || size > UINT64_MAX / bytes)
                return 0;
        return size * bytes >> 10;
}

static uint64_t content_in_kib(xmlNodePtr node) {
        _cleanup_xml_ xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
        return text ? size_in_kib(node, (const char *) text) : 0;
}

static uint64_t attribute_in_kib(xmlNodePtr node, const char *name) {
        _cleanup_xml_ xmlChar *text = attribute(node, name);
        return text ? size_in_kib(node, (const char *) text) : 0;
}

/* --- metadata */

static void set_foreign(struct wishes *wishes, const char *what, const char *name) {
        char text[sizeof wishes->foreign], printable[64];

        copy_printable(printable, sizeof printable, name);
        snprintf(text, sizeof text, "%s %s", what, printable);
        memset(wishes, 0, sizeof *wishes);
        wishes->present = true;
        memcpy(wishes->foreign, text, sizeof text);
}

static void read_wishes(xmlNodePtr node, struct wishes *ret) {
        ret->present = true;
        if (strcmp((const char *) node->name, WISHES_PREFIX) != 0) {
                set_foreign(ret, "the element", (const char *) node->name);
                return;
        }
        for (xmlAttrPtr property = node->properties; property; property = property->next) {
                _cleanup_xml_ xmlChar *value = xmlNodeListGetString(node->doc, property->children, 1);
                if (property->ns || wishes_set(ret, (const char *) property->name, value ? (const char *) value : "") < 0) {
                        set_foreign(ret, "the attribute", (const char *) property->name);
                        return;
                }
        }
        for (xmlNodePtr inner = node->children; inner; inner = inner->next)
                if (inner->type == XML_ELEMENT_NODE || inner->type == XML_ENTITY_REF_NODE || (inner->type == XML_TEXT_NODE && !xmlIsBlankNode(inner)) ||
                    inner->type == XML_CDATA_SECTION_NODE) {
                        set_foreign(ret, "the content", inner->type == XML_ELEMENT_NODE ? (const char *) inner->name : "text");
                        return;
                }
}

int wishes_xml_parse(const char *text, size_t length, struct wishes *ret) {
        _cleanup_(document_freep) xmlDocPtr document = NULL;
        struct wishes wishes = { 0 };

        int r = read_document(text, length, &document);
        if (r < 0)
                return r;
        xmlNodePtr root = xmlDocGetRootElement(document);
        if (!root)
                return -EBADMSG;
        read_wishes(root, &wishes);
        *ret = wishes;
        return 0;
}

static void read_metadata(xmlXPathContextPtr context, struct description *description) {
        xmlNodePtr metadata = first(context, "/domain/metadata");

        for (xmlNodePtr inner = metadata ? metadata->children : NULL; inner; inner = inner->next)
                if (inner->type == XML_ELEMENT_NODE && inner->ns && inner->ns->href && strcmp((const char *) inner->ns->href, WISHES_NAMESPACE) == 0) {
                        if (description->wishes.present) {
                                set_foreign(&description->wishes, "a second element", (const char *) inner->name);
                                return;
                        }
                        read_wishes(inner, &description->wishes);
                }
}

/* --- vCPUs, IOThreads, cells */

static int compare_vcpus(const void *a, const void *b) {
        const struct described_vcpu *x = a, *y = b;
        return x->id < y->id ? -1 : x->id > y->id;
}

static int compare_iothreads(const void *a, const void *b) {
        const struct described_iothread *x = a, *y = b;
        return x->id < y->id ? -1 : x->id > y->id;
}

/* Those that are plugged in: one by one where some are not, else the first so many. */
static int read_vcpus(xmlXPathContextPtr context, struct description *description) {
        xmlNodePtr node = first(context, "/domain/vcpu");
        _cleanup_xml_ xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
        _cleanup_found_ xmlXPathObjectPtr found = find(context, "/domain/vcpus/vcpu[@enabled='yes']");
        uint64_t all = 1;

        if (text && !parse_number((const char *) text, UINT32_MAX, &all))
                return -EBADMSG;
        uint64_t n = count(found) > 0 ? count(found) : number_attribute(node, "current", UINT32_MAX, all);
        /* nor are numbers beyond that believed: in which cell such a vCPU is could not be read */
        if (n > VCPUS_MAX || all > VCPUS_MAX)
                return -E2BIG;
        description->placement_auto = attribute_is(node, "placement", "auto");
        description->cpuset = list_attribute(node, "cpuset");
        description->vcpus = calloc(n + 1, sizeof *description->vcpus);
        if (!description->vcpus)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                description->vcpus[i].id = (unsigned) (count(found) > 0 ? number_attribute(found->nodesetval->nodeTab[i], "id", UINT32_MAX, i) : i);
        description->n_vcpus = n;
        qsort(description->vcpus, n, sizeof *description->vcpus, compare_vcpus);
        for (size_t i = 1; i < n; i++)
                if (description->vcpus[i].id == description->vcpus[i - 1].id)
                        return -EBADMSG;
        return n > 0 && description->vcpus[n - 1].id >= VCPUS_MAX ? -E2BIG : 0;
}

static void replace(char **text, char *replacement) {
        if (!replacement)
                return;
        free(*text);
        *text = replacement;
}

/* 0 is no IOThread's number. */
static int read_iothreads(xmlXPathContextPtr context, struct description *description) {
        _cleanup_found_ xmlXPathObjectPtr found = find(context, "/domain/iothreadids/iothread");
        xmlNodePtr node = first(context, "/domain/iothreads");
        _cleanup_xml_ xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
        uint64_t n = 0;

        if (text && !parse_number((const char *) text, UINT32_MAX, &n))
                return -EBADMSG;
        n = count(found) > 0 ? count(found) : n;
        if (n > IOTHREADS_MAX)
                return -E2BIG;
        description->iothreads = calloc(n + 1, sizeof *description->iothreads);
        if (!description->iothreads)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                description->iothreads[i].id = (unsigned) (count(found) > 0 ? number_attribute(found->nodesetval->nodeTab[i], "id", UINT32_MAX, i + 1) : i + 1);
        description->n_iothreads = n;
        qsort(description->iothreads, n, sizeof *description->iothreads, compare_iothreads);
        for (size_t i = 0; i < n; i++)
                if (description->iothreads[i].id == 0 || (i > 0 && description->iothreads[i].id == description->iothreads[i - 1].id))
                        return -EBADMSG;
        return 0;
}

/* <cputune>: libvirt writes pins that were set while the domain runs there, too. */
static void read_pins(xmlXPathContextPtr context, struct description *description) {
        _cleanup_found_ xmlXPathObjectPtr vcpus = find(context, "/domain/cputune/vcpupin");
        _cleanup_found_ xmlXPathObjectPtr iothreads = find(context, "/domain/cputune/iothreadpin");

        for (size_t i = 0; i < count(vcpus); i++) {
                xmlNodePtr pin = vcpus->nodesetval->nodeTab[i];
                struct described_vcpu *vcpu = description_vcpu(description, (unsigned) number_attribute(pin, "vcpu", UINT32_MAX, UINT32_MAX));
                if (vcpu) {
                        replace(&vcpu->cpus, list_attribute(pin, "cpuset"));
                        vcpu->pinned = vcpu->cpus;
                }
        }
        for (size_t i = 0; i < count(iothreads); i++) {
                xmlNodePtr pin = iothreads->nodesetval->nodeTab[i];
                struct described_iothread *iothread = description_iothread(description, (unsigned) number_attribute(pin, "iothread", UINT32_MAX, 0));
                if (iothread) {
                        replace(&iothread->cpus, list_attribute(pin, "cpuset"));
                        iothread->pinned = iothread->cpus;
                }
        }
        description->emulator_cpus = list_attribute(first(context, "/domain/cputune/emulatorpin"), "cpuset");
        description->emulator_pinned = description->emulator_cpus;
}

/* The number of every vCPU fits a list of CPUs. */
static_assert((int) VCPUS_MAX <= (int) AFFINITY_CPUS_MAX, "a list of a cell's vCPUs has room for all of them");

/* The one node of a list, or IOCORE_NODE_UNKNOWN. */
static int only_node(const char *list) {
        struct affinity_mask mask;
        return list && affinity_parse(list, &mask) >= 0 ? affinity_only_cpu(&mask) : IOCORE_NODE_UNKNOWN;
}

static void assign_cell(struct description *description, xmlNodePtr node, size_t cell) {
        _cleanup_free_ char *cpus = list_attribute(node, "cpus");
        struct affinity_mask mask;

        if (!cpus || affinity_parse(cpus, &mask) < 0)
                return;
        for (size_t i = 0; i < description->n_vcpus; i++)
                if (affinity_has(&mask, (int) description->vcpus[i].id))
                        description->vcpus[i].cell = (int) cell;
}

static int read_cells(xmlXPathContextPtr context, struct description *description) {
        _cleanup_found_ xmlXPathObjectPtr found = find(context, "/domain/cpu/numa/cell"), nodes = find(context, "/domain/numatune/memnode");
        size_t n = count(found);

        if (n > CELLS_MAX)
                return -E2BIG;
        description->cells = calloc(n > 0 ? n : 1, sizeof *description->cells);
        if (!description->cells)
                return -ENOMEM;
        description->n_cells = n > 0 ? n : 1;
        int node = description->placement_auto ? IOCORE_NODE_UNKNOWN : only_node(description->nodeset);
        description->cells[0] = (struct iocore_cell) { .memory_kib = content_in_kib(first(context, "/domain/memory")), .node = node };
        for (size_t i = 0; i < n; i++) {
                uint64_t cell = number_attribute(found->nodesetval->nodeTab[i], "id", UINT32_MAX, i);
                if (cell >= n)
                        return -EBADMSG;
                description->cells[cell] = (struct iocore_cell) { .memory_kib = attribute_in_kib(found->nodesetval->nodeTab[i], "memory"), .node = node };
                assign_cell(description, found->nodesetval->nodeTab[i], cell);
        }
        for (size_t i = 0; i < count(nodes); i++) {
                uint64_t cell = number_attribute(nodes->nodesetval->nodeTab[i], "cellid", UINT32_MAX, UINT32_MAX);
                _cleanup_free_ char *list = list_attribute(nodes->nodesetval->nodeTab[i], "nodeset");
                if (cell < description->n_cells)
                        description->cells[cell].node = only_node(list);
        }
        /* libvirt cannot change where single cells are bound */
        if (count(nodes) > 0)
                description->nodeset_fixed = true;
        return 0;
}

static void read_memory(xmlXPathContextPtr context, struct description *description) {
        xmlNodePtr backing = first(context, "/domain/memoryBacking"), tuning = first(context, "/domain/numatune/memory");
        char type[16];

        description->memory_kib = content_in_kib(first(context, "/domain/currentMemory"));
        if (description->memory_kib == 0)
                description->memory_kib = content_in_kib(first(context, "/domain/memory"));
        text_attribute(child(backing, "source"), "type", type, sizeof type);
        if (child(backing, "hugepages"))
                snprintf(description->backing, sizeof description->backing, "hugepages");
        else if (strcmp(type, "memfd") == 0 || strcmp(type, "file") == 0)
                memcpy(description->backing, type, sizeof type);
        description->nodeset = list_attribute(tuning, "nodeset");
        description->memory_auto = attribute_is(tuning, "placement", "auto");
        description->nodeset_fixed = tuning && !attribute_is(tuning, "mode", "restrictive");
}

/* --- devices */

static void read_pci_address(xmlNodePtr address, char *ret, size_t size) {
        static const char *const names[] = { "domain", "bus", "slot", "function" };
        unsigned long values[ELEMENTSOF(names)];

        ret[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_xml_ xmlChar *text = attribute(address, names[i]);
                char *end = NULL;
                values[i] = text ? strtoul((const char *) text, &end, 16) : 0;
                if (!text || end == (char *) text || *end != '\0' || values[i] > 0xffff)
                        return;
        }
        snprintf(ret, size, "%04lx:%02lx:%02lx.%lx", values[0], values[1], values[2], values[3]);
}

static void read_interface(xmlNodePtr node, struct described_device *ret) {
        xmlNodePtr source = child(node, "source");

        text_attribute(child(node, "target"), "dev", ret->pub.backend, sizeof ret->pub.backend);
        if (attribute_is(node, "type", "hostdev"))
                read_pci_address(child(source, "address"), ret->pub.backend, sizeof ret->pub.backend);
        text_attribute(source, attribute_is(node, "type", "direct") ? "dev" : "bridge", ret->host_device, sizeof ret->host_device);
        ret->pub.n_queues = (unsigned) number_attribute(child(node, "driver"), "queues", UINT16_MAX, 1);
}

static void read_disk(xmlNodePtr node, struct described_device *ret) {
        text_attribute(child(node, "target"), "bus", ret->pub.bus, sizeof ret->pub.bus);
        text_attribute(child(node, "target"), "dev", ret->pub.backend, sizeof ret->pub.backend);
        ret->pub.n_queues = (unsigned) number_attribute(child(node, "driver"), "queues", UINT16_MAX, 0);
        ret->pub.iothread = (unsigned) number_attribute(child(node, "driver"), "iothread", UINT32_MAX, 0);
}

static void read_hostdev(xmlNodePtr node, struct described_device *ret) {
        if (attribute_is(node, "type", "pci"))
                read_pci_address(child(child(node, "source"), "address"), ret->pub.backend, sizeof ret->pub.backend);
}

static int read_devices(xmlXPathContextPtr context, struct description *description) {
        static const struct { const char *kind; void (*read)(xmlNodePtr node, struct described_device *ret); } kinds[] = {
                { "interface", read_interface }, { "disk", read_disk }, { "hostdev", read_hostdev },
        };
        _cleanup_found_ xmlXPathObjectPtr found = find(context, "/domain/devices/interface | /domain/devices/disk | /domain/devices/hostdev");
        size_t n = count(found);

        if (n > DEVICES_MAX)
                return -E2BIG;
        description->devices = calloc(n + 1, sizeof *description->devices);
        if (!description->devices)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                xmlNodePtr node = found->nodesetval->nodeTab[i];
                struct described_device *device = description->devices + description->n_devices;
                for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                        if (strcmp((const char *) node->name, kinds[k].kind) != 0)
                                continue;
                        snprintf(device->pub.kind, sizeof device->pub.kind, "%s", kinds[k].kind);
                        text_attribute(child(node, "alias"), "name", device->pub.alias, sizeof device->pub.alias);
                        device->pub.node = IOCORE_NODE_UNKNOWN;
                        kinds[k].read(node, device);
                        description->n_devices++;
                }
        }
        return 0;
}

/* --- */

static bool is_uuid(const char *text) {
        for (size_t i = 0; i < UUID_SIZE - 1; i++)
                if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !strchr("0123456789abcdef", text[i]) || text[i] == '\0')
                        return false;
        return text[UUID_SIZE - 1] == '\0';
}

static int read_names(xmlXPathContextPtr context, struct description *description) {
        xmlNodePtr name = first(context, "/domain/name"), uuid = first(context, "/domain/uuid");
        _cleanup_xml_ xmlChar *name_text = name ? xmlNodeGetContent(name) : NULL, *uuid_text = uuid ? xmlNodeGetContent(uuid) : NULL;

        if (!name_text || name_text[0] == '\0' || !uuid_text || strlen((const char *) uuid_text) != UUID_SIZE - 1 || !is_uuid((const char *) uuid_text))
                return -EBADMSG;
        memcpy(description->uuid, uuid_text, UUID_SIZE);
        description->name = strdup((const char *) name_text);
        return description->name ? 0 : -ENOMEM;
}

static int read_domain(xmlXPathContextPtr context, struct description *description) {
        int r = read_names(context, description);
        if (r >= 0)
                r = read_vcpus(context, description);
        if (r >= 0)
                r = read_iothreads(context, description);
        if (r < 0)
                return r;
        read_memory(context, description);
        read_pins(context, description);
        read_metadata(context, description);
        r = read_cells(context, description);
        return r < 0 ? r : read_devices(context, description);
}

int domain_xml_parse(const char *text, size_t length, struct description **ret) {
        _cleanup_(document_freep) xmlDocPtr document = NULL;
        _cleanup_(description_freep) struct description *description = NULL;

        int r = read_document(text, length, &document);
        if (r < 0)
                return r;
        _cleanup_(context_freep) xmlXPathContextPtr context = xmlXPathNewContext(document);
        description = calloc(1, sizeof *description);
        if (!context || !description)
                return -ENOMEM;
        description->id = -1;
        r = read_domain(context, description);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(description);
        return 0;
}

int status_xml_parse(const char *text, size_t length, struct description *description) {
        _cleanup_(document_freep) xmlDocPtr document = NULL;

        int r = read_document(text, length, &document);
        if (r < 0)
                return r;
        _cleanup_(context_freep) xmlXPathContextPtr context = xmlXPathNewContext(document);
        if (!context)
                return -ENOMEM;
        uint64_t pid = number_attribute(first(context, "/domstatus"), "pid", INT_MAX, 0);
        if (pid == 0)
                return -EBADMSG;
        description->pid = (pid_t) pid;
        xmlNodePtr numad = first(context, "/domstatus/numad");
        replace(&description->auto_nodes, list_attribute(numad, "nodeset"));
        replace(&description->auto_cpus, list_attribute(numad, "cpuset"));
        _cleanup_found_ xmlXPathObjectPtr found = find(context, "/domstatus/vcpus/vcpu");
        for (size_t i = 0; i < count(found); i++) {
                struct described_vcpu *vcpu = description_vcpu(description, (unsigned) number_attribute(found->nodesetval->nodeTab[i], "id", UINT32_MAX, UINT32_MAX));
                if (vcpu)
                        vcpu->tid = (pid_t) number_attribute(found->nodesetval->nodeTab[i], "pid", INT_MAX, 0);
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's XML as text -> plain data (https://libvirt.org/formatdomain.html). Nothing is fetched, no entity is expanded, a document with a DTD is refused;
 * texts that a guest's owner chose are cut to their bounds and made printable.
 */
#ifndef LIBVIRT_DOMAIN_XML_H
#define LIBVIRT_DOMAIN_XML_H

#include "description.h"

/* 1,000 disks make less than 1 MiB; what is longer is not parsed. */
#define DOMAIN_XML_MAX (16u << 20)

/*
 * The XML of one domain, which does not tell its state, its process and its threads: those are 0. CPU lists are what the XML gives by name: a vCPU that is not pinned has NULL.
 * 0; -EBADMSG: no XML, not a domain's, a DTD, no name or UUID; -E2BIG: longer than DOMAIN_XML_MAX, or more of something than one of the bounds; -ENOMEM.
 */
int domain_xml_parse(const char *text, size_t length, struct description **ret);

/* What libvirt keeps of a running domain in /run/libvirt/qemu/NAME.xml, a private format: <domstatus pid='195139'> and in it <vcpus><vcpu id='0' pid='195156'/>,
 * <numad nodeset='0' cpuset='0-3'/>. Fills pid, what numad chose, and the thread of each vCPU that the description has. 0; -EBADMSG: nothing like it; -E2BIG; -ENOMEM. */
int status_xml_parse(const char *text, size_t length, struct description *description);

/* The element alone, as virDomainGetMetadata() tells it: 0; -EBADMSG: no XML; -E2BIG; -ENOMEM. */
int wishes_xml_parse(const char *text, size_t length, struct wishes *ret);

#endif

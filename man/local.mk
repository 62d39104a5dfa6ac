# SPDX-License-Identifier: LGPL-2.1-or-later
dist_man_MANS += man/iocored.8
dist_man_MANS += man/iocorectl.1 man/org.iocore1.5
dist_man_MANS += man/iocored-scenario.5
dist_man_MANS += man/iocored.conf.5
dist_man_MANS += man/iocored-policy.7

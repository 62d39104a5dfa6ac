# SPDX-License-Identifier: LGPL-2.1-or-later
# Not built with the tree: the unit tests build it the way that its README says, with the installed header only.
EXTRA_DIST += plugins/sample/Makefile plugins/sample/README.md plugins/sample/sample.c

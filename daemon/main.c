/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

int main(void) {
        log_error("iocored: no engine is linked in");
        return 1;
}

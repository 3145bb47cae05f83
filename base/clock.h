/* SPDX-License-Identifier: MPL-2.0
 *
 * The three clocks. Only outermost loops read them; everything below takes `now` as a parameter. */
#ifndef DROVER_BASE_CLOCK_H
#define DROVER_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC: intervals while the machine is awake */
uint64_t clock_mono_us(void);
uint64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: hold deadlines, which go on in suspend */
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME, Unix epoch: ids and what people read */

#endif

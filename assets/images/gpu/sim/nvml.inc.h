/* NVML's declarations, with all their versions, as what the library exports. */
#ifndef SIM_NVML_H
#define SIM_NVML_H

#define NVML_NO_UNVERSIONED_FUNC_DEFS
#pragma GCC visibility push(default)
#include <nvml.h>
#pragma GCC visibility pop

#define WEAK __attribute__((weak))
#pragma GCC diagnostic ignored "-Wunused-parameter"

#endif

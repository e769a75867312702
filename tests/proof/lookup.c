/* A translation unit for Frama-C: what it proves is in the headers. */
#include "vmm/iobus/lookup.h"

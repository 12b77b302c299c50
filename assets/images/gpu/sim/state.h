/*
 * The state of the simulated GPUs: one file, written by the Go package embedded/gpu/simulated, which mirrors this layout,
 * and mapped by the library. Containers get the file as a bind mount, so it is always changed in place. Numbers are in the
 * machine's byte order; every structure is as long as the sum of its fields.
 */
#ifndef SIM_STATE_H
#define SIM_STATE_H

typedef unsigned int u32;
typedef unsigned long long u64;

#define SIM_MAGIC "BTGPUSIM"
#define SIM_LAYOUT 1 /* raised with every change of this file */
#define SIM_DRIVER "550.54.15"
#define SIM_CUDA 12040
#define SIM_THERMAL_SECONDS 15.0 /* after which 63 % of a change of temperature is done */

enum {
	SIM_GPUS = 16,
	SIM_PROFILES = 8,
	SIM_PLACEMENTS = 8,
	SIM_INSTANCES = 15, /* ids of GPU instances, one for each place of each size */
	SIM_COMPUTES = 7,   /* compute instances in one of them */
	SIM_EVENTS = 16,    /* newest XIDs that are kept */
};

/* A size that a GPU can be cut into. */
struct sim_profile {
	u64 memory_mib;
	u32 profile; /* NVML_GPU_INSTANCE_PROFILE_... */
	u32 id;      /* NVIDIA's number of it, as nvidia-smi mig -lgip shows it */
	u32 slices;  /* of compute, 7 in a GPU */
	u32 multiprocessors;
	u32 copy_engines;
	u32 decoders;
	u32 encoders;
	u32 jpegs;
	u32 ofas;
	u32 instances; /* how many of it fit into an empty GPU */
	u32 size;      /* slices of memory, 8 in a GPU */
	u32 placements;
	u32 starts[SIM_PLACEMENTS]; /* first slices of memory that it can have */
};

/* What a GPU is. Clocks are in MHz, powers in mW, temperatures in degrees Celsius. */
struct sim_gpu {
	char name[64];
	char uuid[48];
	char serial[16];
	char vbios[16];
	u64 memory_mib;
	u64 reserved_mib; /* by the driver */
	u64 bar1_mib;
	u32 minor;
	u32 bus; /* PCI */
	u32 pci_device;
	u32 pci_subsystem;
	u32 brand;
	u32 architecture;
	u32 capability_major;
	u32 capability_minor;
	u32 cores;
	u32 bus_width; /* of the memory, bits */
	u32 pcie_generation;
	u32 pcie_width;
	u32 sm_clock;
	u32 sm_clock_idle;
	u32 memory_clock;
	u32 memory_clock_idle;
	u32 power_limit;
	u32 power_limit_min;
	u32 power_limit_max;
	u32 power_idle;
	u32 power_full; /* at full load */
	u32 temperature_idle;
	u32 temperature_full; /* at full load, in the long run */
	u32 temperature_max;  /* of operation */
	u32 temperature_slowdown;
	u32 temperature_shutdown;
	u32 temperature_memory_max; /* 0: the memory has no sensor */
	u32 fans;
	u32 ecc;          /* 1: error correction is on */
	u32 remaps_rows;  /* 1: the memory has spare rows */
	u32 profiles;     /* 0: it can't be cut */
	u32 gpm;          /* 1: it has counters of its engines */
	struct sim_profile profile[SIM_PROFILES];
};

/* What a GPU does. Temperature, power and energy follow from it and the time. */
struct sim_load {
	u64 since;      /* ns since 1970: from then on it works as said here */
	u64 energy;     /* mJ used until then */
	u64 used_mib;   /* memory that containers use */
	u64 ecc_uncorrected;
	u32 temperature; /* thousandths of a degree, then */
	u32 utilization; /* thousandths */
	u32 hot;         /* 1: its cooling fails */
	u32 recovery;    /* NVML_GPU_RECOVERY_ACTION_... */
	u32 lost;        /* 1: it no longer answers */
	u32 rows_remapped;
	u32 rows_pending;
	u32 events; /* XIDs since the start of the driver; the newest SIM_EVENTS of them are kept */
	u32 xids[SIM_EVENTS]; /* by number modulo SIM_EVENTS */
};

struct sim_compute {
	u32 slices; /* 0: there is none */
	u32 start;
};

struct sim_instance {
	u32 profile; /* 1 + index in sim_gpu.profile, 0: there is none */
	u32 start;
	struct sim_compute compute[SIM_COMPUTES];
};

struct sim_mig {
	u32 enabled;
	u32 spare;
	struct sim_instance instance[SIM_INSTANCES]; /* by id */
};

struct sim_state {
	char magic[8];
	u32 layout;
	u32 length; /* bytes */
	/* Odd while the part behind it changes: seq for all but mig, which has mig_seq. Writers lock the file (flock). */
	u32 seq;
	u32 mig_seq;
	u32 gpus;
	u32 mismatch; /* 1: the library does not fit the driver */
	struct sim_gpu gpu[SIM_GPUS];
	struct sim_load load[SIM_GPUS];
	struct sim_mig mig[SIM_GPUS];
};

#endif

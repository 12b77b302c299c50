/*
 * The simulated GPUs' libnvidia-ml. It reads all that it says from the state file (state.h) of the folder that it lies in,
 * and from the device nodes there: a GPU is there if dev/nvidiaN is, a part of one if the nodes of its capabilities are. So
 * in a container it sees what the container was given. What it does not know, stubs.c answers.
 */
#include "nvml.inc.h"
#include "state.h"
#include "sys.h"

enum {
	PATH_SIZE = 512,
	SETS = 32, /* event sets of a process */
	SAMPLES = 64,
	LOCK_TRIES = 20000,
	NODE_MODE = 0020444, /* a character device that all may read */
	NO_INSTANCE = -1,
};

/* Handles are addresses of these, so that any other value is told apart from them. */
static char gpu_handles[SIM_GPUS];
static char instance_handles[SIM_GPUS][SIM_INSTANCES];
static char compute_handles[SIM_GPUS][SIM_INSTANCES][SIM_COMPUTES]; /* of compute instances */
static char mig_handles[SIM_GPUS][SIM_INSTANCES][SIM_COMPUTES];     /* of the same as devices */

static char root[PATH_SIZE]; /* "" for / */
static volatile struct sim_state *state;
static u32 users; /* nvmlInit less nvmlShutdown */
static u32 visible[SIM_GPUS], visible_count;
static int lock_word;

struct set {
	int used;
	u64 types[SIM_GPUS];
	u32 seen[SIM_GPUS]; /* events that it need not tell */
};
static struct set sets[SETS];

struct sample {
	int used;
	int gpu;
	int instance; /* NO_INSTANCE for the whole GPU */
	u64 time;
	u32 utilization;
};
static struct sample samples[SAMPLES];

static void lock(void)
{
	while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
		sys_yield();
}

static void unlock(void)
{
	__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
}

/* ---- the state file ---- */

/* copy_out copies a part of the state that no writer changes meanwhile. A writer that died halfway does not stop it. */
static void copy_out(void *to, volatile void *from, size_t n, volatile u32 *seq)
{
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		u32 before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);

		memcpy(to, (const void *)from, n);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(before & 1) && __atomic_load_n(seq, __ATOMIC_RELAXED) == before)
			return;
		sys_yield();
	}
}

static void get_gpu(int gpu, struct sim_gpu *g)
{
	copy_out(g, &state->gpu[gpu], sizeof *g, &state->seq);
}

static void get_load(int gpu, struct sim_load *l)
{
	copy_out(l, &state->load[gpu], sizeof *l, &state->seq);
}

static void get_mig(int gpu, struct sim_mig *m)
{
	copy_out(m, &state->mig[gpu], sizeof *m, &state->mig_seq);
}

/*
 * find_root takes the folder from the path of the file that this code was loaded from: what is before /usr/.
 */
static int find_root(void)
{
	static char maps[4096];
	char path[PATH_SIZE] = "";
	u64 own = (u64)(size_t)&find_root;
	int fd = sys_open("/proc/self/maps", SYS_READONLY);
	size_t held = 0;

	if (fd < 0)
		return 0;
	for (;;) {
		long got = sys_read(fd, maps + held, sizeof maps - 1 - held);
		char *line = maps, *end;

		if (got <= 0)
			break;
		held += (size_t)got;
		maps[held] = 0;
		while ((end = strstr(line, "\n")) != NULL) {
			u64 bounds[2] = { 0, 0 };
			char *c = line;

			*end = 0;
			for (int i = 0; i < 2; i++, c++)
				for (; *c && *c != '-' && *c != ' '; c++)
					bounds[i] = bounds[i] * 16 + (u64)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
			while (*c && *c != '/')
				c++;
			if (own >= bounds[0] && own < bounds[1] && strlen(c) < sizeof path)
				memcpy(path, c, strlen(c) + 1);
			line = end + 1;
		}
		/* The rest is the beginning of a line. */
		held = (size_t)(maps + held - line);
		for (size_t i = 0; i < held; i++)
			maps[i] = line[i];
		maps[held] = 0;
	}
	sys_close(fd);
	for (size_t i = strlen(path); i-- > 0;) {
		if (strncmp(path + i, "/usr/", 5) == 0) {
			path[i] = 0;
			memcpy(root, path, i + 1);
			return 1;
		}
	}
	return 0;
}

static nvmlReturn_t open_state(int writable, volatile struct sim_state **to, int *fd_to)
{
	char path[PATH_SIZE + 64];
	struct sim_state *s;
	int fd;

	format(path, sizeof path, "%s/lib/firmware/nvidia/%s/gsp_ga10x.bin", root, SIM_DRIVER);
	fd = sys_open(path, writable ? SYS_READWRITE : SYS_READONLY);
	if (fd < 0)
		return writable ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_DRIVER_NOT_LOADED;
	s = sys_map(fd, sizeof *s, writable);
	if (s == NULL) {
		sys_close(fd);
		return NVML_ERROR_DRIVER_NOT_LOADED;
	}
	if (memcmp(s->magic, SIM_MAGIC, sizeof s->magic) != 0 || s->layout != SIM_LAYOUT || s->length != sizeof *s) {
		sys_unmap(s, sizeof *s);
		sys_close(fd);
		return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
	}
	*to = s;
	*fd_to = fd;
	return NVML_SUCCESS;
}

static nvmlReturn_t start(void)
{
	volatile struct sim_state *s;
	nvmlReturn_t ret;
	char path[PATH_SIZE + 64];
	int fd;

	if (!find_root())
		return NVML_ERROR_DRIVER_NOT_LOADED;
	format(path, sizeof path, "%s/dev/nvidiactl", root);
	if (!sys_exists(path))
		return NVML_ERROR_DRIVER_NOT_LOADED;
	ret = open_state(0, &s, &fd);
	if (ret != NVML_SUCCESS)
		return ret;
	sys_close(fd);
	if (s->mismatch) {
		sys_unmap((void *)s, sizeof *s);
		return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
	}
	state = s;
	visible_count = 0;
	for (u32 i = 0; i < s->gpus && i < SIM_GPUS; i++) {
		struct sim_gpu g;

		get_gpu((int)i, &g);
		format(path, sizeof path, "%s/dev/nvidia%u", root, g.minor);
		if (sys_exists(path))
			visible[visible_count++] = i;
	}
	return NVML_SUCCESS;
}

static nvmlReturn_t init(void)
{
	nvmlReturn_t ret = NVML_SUCCESS;

	lock();
	if (users == 0)
		ret = start();
	else if (state->mismatch) /* so that one who is there already hears of it */
		ret = NVML_ERROR_LIB_RM_VERSION_MISMATCH;
	if (ret == NVML_SUCCESS)
		users++;
	unlock();
	return ret;
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
	return init();
}

nvmlReturn_t nvmlInit_v2(void)
{
	return init();
}

nvmlReturn_t nvmlInit(void)
{
	return init();
}

nvmlReturn_t nvmlShutdown(void)
{
	nvmlReturn_t ret = NVML_ERROR_UNINITIALIZED;

	lock();
	if (users > 0) {
		ret = NVML_SUCCESS;
		if (--users == 0) {
			sys_unmap((void *)state, sizeof *state);
			state = NULL;
			memset(sets, 0, sizeof sets);
			memset(samples, 0, sizeof samples);
		}
	}
	unlock();
	return ret;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
	static const char *const texts[] = {
		[NVML_SUCCESS] = "Success",
		[NVML_ERROR_UNINITIALIZED] = "Uninitialized",
		[NVML_ERROR_INVALID_ARGUMENT] = "Invalid Argument",
		[NVML_ERROR_NOT_SUPPORTED] = "Not Supported",
		[NVML_ERROR_NO_PERMISSION] = "Insufficient Permissions",
		[NVML_ERROR_NOT_FOUND] = "Not Found",
		[NVML_ERROR_INSUFFICIENT_SIZE] = "Insufficient Size",
		[NVML_ERROR_DRIVER_NOT_LOADED] = "Driver Not Loaded",
		[NVML_ERROR_TIMEOUT] = "Timeout",
		[NVML_ERROR_GPU_IS_LOST] = "GPU is lost",
		[NVML_ERROR_LIB_RM_VERSION_MISMATCH] = "Driver/library version mismatch",
		[NVML_ERROR_IN_USE] = "In use by another client",
		[NVML_ERROR_MEMORY] = "Insufficient Memory",
		[NVML_ERROR_INSUFFICIENT_RESOURCES] = "Insufficient Resources",
		[NVML_ERROR_ARGUMENT_VERSION_MISMATCH] = "Argument version mismatch",
	};

	if ((unsigned)result < sizeof texts / sizeof *texts && texts[result] != NULL)
		return texts[result];
	return "Unknown Error";
}

/* ---- handles ---- */

/* find_in tells whether a handle is in a table, and where. */
static int find_in(const void *handle, const char *table, size_t n)
{
	size_t at = (size_t)handle - (size_t)table;

	return at < n ? (int)at : -1;
}

static int is_visible(int gpu)
{
	for (u32 i = 0; i < visible_count; i++)
		if (visible[i] == (u32)gpu)
			return 1;
	return 0;
}

static unsigned cap_of_instance(u32 minor, int instance)
{
	/* As the driver numbers them: 1 and 2 are of MIG as a whole, then for each GPU 15 instances with 8 parts each. */
	return 3 + minor * (SIM_INSTANCES * 9) + (unsigned)instance * 9;
}

static void cap_path(char *path, size_t n, unsigned cap)
{
	format(path, n, "%s/dev/nvidia-caps/nvidia-cap%u", root, cap);
}

static int has_caps(int gpu, int instance, int compute)
{
	char path[PATH_SIZE + 64];
	struct sim_gpu g;

	get_gpu(gpu, &g);
	cap_path(path, sizeof path, cap_of_instance(g.minor, instance));
	if (!sys_exists(path))
		return 0;
	cap_path(path, sizeof path, cap_of_instance(g.minor, instance) + 1 + (unsigned)compute);
	return sys_exists(path);
}

/* A device: a GPU, or a part of it that has an instance. */
struct device {
	int gpu;
	int instance, compute; /* NO_INSTANCE for the whole */
	struct sim_gpu g;
	struct sim_load l;
	struct sim_mig m;
	struct sim_profile p; /* of a part */
};

static nvmlReturn_t load_gpu(int gpu, struct device *d)
{
	d->gpu = gpu;
	d->instance = d->compute = NO_INSTANCE;
	get_gpu(gpu, &d->g);
	get_load(gpu, &d->l);
	get_mig(gpu, &d->m);
	return NVML_SUCCESS;
}

static nvmlReturn_t load_instance(int gpu, int instance, struct device *d)
{
	load_gpu(gpu, d);
	d->instance = instance;
	if (!d->m.enabled || d->m.instance[instance].profile == 0 || d->m.instance[instance].profile > d->g.profiles)
		return NVML_ERROR_INVALID_ARGUMENT;
	d->p = d->g.profile[d->m.instance[instance].profile - 1];
	return NVML_SUCCESS;
}

static nvmlReturn_t load_compute(int gpu, int instance, int compute, struct device *d)
{
	nvmlReturn_t ret = load_instance(gpu, instance, d);

	d->compute = compute;
	if (ret == NVML_SUCCESS && d->m.instance[instance].compute[compute].slices == 0)
		return NVML_ERROR_INVALID_ARGUMENT;
	return ret;
}

/* any_device finds the device of a handle. */
static nvmlReturn_t any_device(nvmlDevice_t handle, struct device *d)
{
	int at;

	if (state == NULL)
		return NVML_ERROR_UNINITIALIZED;
	at = find_in(handle, gpu_handles, sizeof gpu_handles);
	if (at >= 0)
		return is_visible(at) ? load_gpu(at, d) : NVML_ERROR_INVALID_ARGUMENT;
	at = find_in(handle, &mig_handles[0][0][0], sizeof mig_handles);
	if (at < 0)
		return NVML_ERROR_INVALID_ARGUMENT;
	return load_compute(at / (SIM_INSTANCES * SIM_COMPUTES), at / SIM_COMPUTES % SIM_INSTANCES, at % SIM_COMPUTES, d);
}

/* whole_gpu is for questions that have no answer for a part of a GPU. */
static nvmlReturn_t whole_gpu(nvmlDevice_t handle, struct device *d)
{
	nvmlReturn_t ret = any_device(handle, d);

	return ret == NVML_SUCCESS && d->instance != NO_INSTANCE ? NVML_ERROR_INVALID_ARGUMENT : ret;
}

/* sensor is for what a GPU that is lost does not tell. */
static nvmlReturn_t sensor(nvmlDevice_t handle, struct device *d)
{
	nvmlReturn_t ret = any_device(handle, d);

	if (ret == NVML_SUCCESS && d->l.lost)
		return NVML_ERROR_GPU_IS_LOST;
	return ret == NVML_SUCCESS && d->instance != NO_INSTANCE ? NVML_ERROR_NOT_SUPPORTED : ret;
}

static nvmlReturn_t give(char *to, unsigned int length, const char *text)
{
	if (to == NULL)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (strlen(text) >= length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(to, text, strlen(text) + 1);
	return NVML_SUCCESS;
}

/* NEED ends a function that lacks an argument or whose device can't be asked. */
#define NEED(test, what) \
	do { \
		nvmlReturn_t need = (test) ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT; \
		if (need == NVML_SUCCESS) \
			need = (what); \
		if (need != NVML_SUCCESS) \
			return need; \
	} while (0)


static void mig_uuid(const struct device *d, char *buf, size_t n)
{
	/* The GPU's, with the part's place and size in it: the same part has the same name again. */
	format(buf, n, "MIG-%s", d->g.uuid + 4);
	format(buf + 18, 5, "5%x%x%x", (unsigned)d->instance, (unsigned)d->compute, d->m.instance[d->instance].profile);
	buf[22] = '-';
}

/* ---- the system ---- */

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	return state == NULL ? NVML_ERROR_UNINITIALIZED : give(version, length, SIM_DRIVER);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	return give(version, length, "12." SIM_DRIVER);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
	NEED(version != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	*version = SIM_CUDA;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	return nvmlSystemGetCudaDriverVersion(version);
}

/* ---- which GPUs there are ---- */

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
	NEED(count != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	*count = visible_count;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned int *count)
{
	return nvmlDeviceGetCount_v2(count);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	NEED(device != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	if (index >= visible_count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = (nvmlDevice_t)&gpu_handles[visible[index]];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
	return nvmlDeviceGetHandleByIndex_v2(index, device);
}

/* next_part walks the compute instances of a GPU that are visible, in the order of their numbers. at starts at -1. */
static int next_part(int gpu, const struct sim_mig *m, int at)
{
	if (!m->enabled)
		return -1;
	for (at++; at < SIM_INSTANCES * SIM_COMPUTES; at++) {
		int instance = at / SIM_COMPUTES, compute = at % SIM_COMPUTES;

		if (m->instance[instance].profile && m->instance[instance].compute[compute].slices && has_caps(gpu, instance, compute))
			return at;
	}
	return -1;
}

static nvmlDevice_t mig_handle(int gpu, int part)
{
	return (nvmlDevice_t)&mig_handles[gpu][part / SIM_COMPUTES][part % SIM_COMPUTES];
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	struct device d;
	char own[NVML_DEVICE_UUID_V2_BUFFER_SIZE];

	NEED(uuid != NULL && device != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	for (u32 i = 0; i < visible_count; i++) {
		load_gpu((int)visible[i], &d);
		if (strcmp(uuid, d.g.uuid) == 0) {
			*device = (nvmlDevice_t)&gpu_handles[visible[i]];
			return NVML_SUCCESS;
		}
		for (int at = next_part(d.gpu, &d.m, -1); at >= 0; at = next_part(d.gpu, &d.m, at)) {
			d.instance = at / SIM_COMPUTES;
			d.compute = at % SIM_COMPUTES;
			mig_uuid(&d, own, sizeof own);
			if (strcmp(uuid, own) == 0) {
				*device = mig_handle(d.gpu, at);
				return NVML_SUCCESS;
			}
		}
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
	struct sim_gpu g;

	NEED(serial != NULL && device != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	for (u32 i = 0; i < visible_count; i++) {
		get_gpu((int)visible[i], &g);
		if (g.serial[0] && strcmp(serial, g.serial) == 0) {
			*device = (nvmlDevice_t)&gpu_handles[visible[i]];
			return NVML_SUCCESS;
		}
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *device)
{
	struct sim_gpu g;
	char forms[3][NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE];

	NEED(id != NULL && device != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	for (u32 i = 0; i < visible_count; i++) {
		get_gpu((int)visible[i], &g);
		format(forms[0], sizeof forms[0], "%08X:%02X:00.0", 0, g.bus);
		format(forms[1], sizeof forms[1], "%04X:%02X:00.0", 0, g.bus);
		format(forms[2], sizeof forms[2], "%02X:00.0", g.bus);
		for (int f = 0; f < 3; f++) {
			if (str_equal_fold(id, forms[f])) {
				*device = (nvmlDevice_t)&gpu_handles[visible[i]];
				return NVML_SUCCESS;
			}
		}
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *id, nvmlDevice_t *device)
{
	return nvmlDeviceGetHandleByPciBusId_v2(id, device);
}

/* ---- what a GPU is ---- */

/* profile_name names a size as nvidia-smi does: the memory is the GPU's in eighths. */
static void profile_name(const struct sim_gpu *g, const struct sim_profile *p, char *name, size_t n)
{
	u32 all = (u32)((g->memory_mib + 1023) / 1024);

	format(name, n, "MIG %ug.%ugb%s", p->slices, (all * p->size * 2 + 8) / 16, p->profile == NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 ? "+me" : "");
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	struct device d;
	char text[96], profile[32];

	NEED(name != NULL, any_device(device, &d));
	format(text, sizeof text, "%s", d.g.name);
	if (d.instance != NO_INSTANCE) {
		profile_name(&d.g, &d.p, profile, sizeof profile);
		format(text, sizeof text, "%s %s", d.g.name, profile);
	}
	return give(name, length, text);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	struct device d;
	char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE];

	NEED(uuid != NULL, any_device(device, &d));
	if (d.instance == NO_INSTANCE)
		return give(uuid, length, d.g.uuid);
	mig_uuid(&d, text, sizeof text);
	return give(uuid, length, text);
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
	struct device d;

	NEED(index != NULL, any_device(device, &d));
	*index = 0;
	if (d.instance != NO_INSTANCE) {
		for (int at = next_part(d.gpu, &d.m, -1); at >= 0 && at != d.instance * SIM_COMPUTES + d.compute; at = next_part(d.gpu, &d.m, at))
			++*index;
		return NVML_SUCCESS;
	}
	while (visible[*index] != (u32)d.gpu)
		++*index;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
	struct device d;

	NEED(minor != NULL, whole_gpu(device, &d));
	*minor = d.g.minor;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
	struct device d;

	NEED(serial != NULL, whole_gpu(device, &d));
	return d.g.serial[0] ? give(serial, length, d.g.serial) : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length)
{
	struct device d;

	NEED(version != NULL, whole_gpu(device, &d));
	return give(version, length, d.g.vbios);
}

static nvmlReturn_t pci_info(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	struct device d;

	NEED(pci != NULL, any_device(device, &d));
	memset(pci, 0, sizeof *pci);
	pci->bus = d.g.bus;
	pci->pciDeviceId = d.g.pci_device;
	pci->pciSubSystemId = d.g.pci_subsystem;
	format(pci->busId, sizeof pci->busId, "%08X:%02X:00.0", 0, d.g.bus);
	format(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:00.0", 0, d.g.bus);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	return pci_info(device, pci);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	return pci_info(device, pci);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	return pci_info(device, pci);
}

/* CONSTANT defines a question whose answer is a field of struct sim_gpu. */
#define CONSTANT(function, type, value) \
	nvmlReturn_t function(nvmlDevice_t device, type *to) \
	{ \
		struct device d; \
		NEED(to != NULL, any_device(device, &d)); \
		*to = (type)(value); \
		return NVML_SUCCESS; \
	}

CONSTANT(nvmlDeviceGetBrand, nvmlBrandType_t, d.g.brand)
CONSTANT(nvmlDeviceGetArchitecture, nvmlDeviceArchitecture_t, d.g.architecture)
CONSTANT(nvmlDeviceGetNumGpuCores, unsigned int, d.g.cores)
CONSTANT(nvmlDeviceGetMemoryBusWidth, unsigned int, d.g.bus_width)
CONSTANT(nvmlDeviceGetMaxPcieLinkGeneration, unsigned int, d.g.pcie_generation)
CONSTANT(nvmlDeviceGetGpuMaxPcieLinkGeneration, unsigned int, d.g.pcie_generation)
CONSTANT(nvmlDeviceGetCurrPcieLinkGeneration, unsigned int, d.g.pcie_generation)
CONSTANT(nvmlDeviceGetMaxPcieLinkWidth, unsigned int, d.g.pcie_width)
CONSTANT(nvmlDeviceGetCurrPcieLinkWidth, unsigned int, d.g.pcie_width)
CONSTANT(nvmlDeviceGetPersistenceMode, nvmlEnableState_t, NVML_FEATURE_ENABLED)
CONSTANT(nvmlDeviceGetComputeMode, nvmlComputeMode_t, NVML_COMPUTEMODE_DEFAULT)
CONSTANT(nvmlDeviceGetDisplayMode, nvmlEnableState_t, NVML_FEATURE_DISABLED)
CONSTANT(nvmlDeviceGetDisplayActive, nvmlEnableState_t, NVML_FEATURE_DISABLED)
CONSTANT(nvmlDeviceGetAccountingMode, nvmlEnableState_t, NVML_FEATURE_DISABLED)
CONSTANT(nvmlDeviceGetVirtualizationMode, nvmlGpuVirtualizationMode_t, NVML_GPU_VIRTUALIZATION_MODE_NONE)
CONSTANT(nvmlDeviceGetBoardId, unsigned int, d.g.bus << 8)
CONSTANT(nvmlDeviceGetMultiGpuBoard, unsigned int, 0)
CONSTANT(nvmlDeviceGetPcieReplayCounter, unsigned int, 0)
CONSTANT(nvmlDeviceIsMigDeviceHandle, unsigned int, d.instance != NO_INSTANCE)
CONSTANT(nvmlDeviceGetPowerManagementMode, nvmlEnableState_t, NVML_FEATURE_ENABLED)
CONSTANT(nvmlDeviceGetPowerManagementLimit, unsigned int, d.g.power_limit)
CONSTANT(nvmlDeviceGetPowerManagementDefaultLimit, unsigned int, d.g.power_limit)
CONSTANT(nvmlDeviceGetEnforcedPowerLimit, unsigned int, d.g.power_limit)

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *low, unsigned int *high)
{
	struct device d;

	NEED(low != NULL && high != NULL, whole_gpu(device, &d));
	*low = d.g.power_limit_min;
	*high = d.g.power_limit_max;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
	struct device d;

	NEED(major != NULL && minor != NULL, any_device(device, &d));
	*major = (int)d.g.capability_major;
	*minor = (int)d.g.capability_minor;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
	struct device d;

	NEED(version != NULL, whole_gpu(device, &d));
	return give(version, NVML_GSP_FIRMWARE_VERSION_BUF_SIZE, SIM_DRIVER);
}

nvmlReturn_t nvmlDeviceGetGspFirmwareMode(nvmlDevice_t device, unsigned int *enabled, unsigned int *standard)
{
	struct device d;

	NEED(enabled != NULL && standard != NULL, whole_gpu(device, &d));
	*enabled = *standard = 1;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNumFans(nvmlDevice_t device, unsigned int *fans)
{
	struct device d;

	NEED(fans != NULL, whole_gpu(device, &d));
	*fans = d.g.fans;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t one, nvmlDevice_t other, nvmlGpuTopologyLevel_t *level)
{
	struct device a, b;

	NEED(level != NULL, whole_gpu(one, &a));
	NEED(1, whole_gpu(other, &b));
	*level = a.gpu == b.gpu ? NVML_TOPOLOGY_INTERNAL : NVML_TOPOLOGY_NODE;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t one, nvmlDevice_t other, int *same)
{
	struct device a, b;

	NEED(same != NULL, whole_gpu(one, &a));
	NEED(1, whole_gpu(other, &b));
	*same = a.gpu == b.gpu;
	return NVML_SUCCESS;
}

/* ---- what a GPU does ---- */

/* fading is e to the power of -x. */
static double fading(double x)
{
	double sum = 1, term = 1;
	int halvings = 0;

	if (x > 40)
		return 0;
	for (; x > 0.5; x /= 2)
		halvings++;
	for (int i = 1; i < 12; i++) {
		term *= -x / i;
		sum += term;
	}
	while (halvings--)
		sum *= sum;
	return sum;
}

static double seconds(const struct sim_load *l)
{
	u64 now = sys_time();

	return now > l->since ? (double)(now - l->since) / 1e9 : 0;
}

static u32 power_mw(const struct device *d)
{
	return d->g.power_idle + (u32)((u64)(d->g.power_full - d->g.power_idle) * d->l.utilization / 1000);
}

static u32 temperature(const struct device *d)
{
	double then = d->l.temperature / 1000.0, in_the_end;

	in_the_end = d->g.temperature_idle + (double)(d->g.temperature_full - d->g.temperature_idle) * d->l.utilization / 1000;
	if (d->l.hot)
		in_the_end = d->g.temperature_slowdown + 2;
	return (u32)(in_the_end + (then - in_the_end) * fading(seconds(&d->l) / SIM_THERMAL_SECONDS) + 0.5);
}

static u64 energy_mj(const struct device *d)
{
	return d->l.energy + (u64)(power_mw(d) * seconds(&d->l));
}

static int slowed(const struct device *d)
{
	return temperature(d) >= d->g.temperature_slowdown;
}

static u32 clock_now(const struct device *d, nvmlClockType_t type)
{
	int idle = d->l.utilization == 0;

	if (type == NVML_CLOCK_MEM)
		return idle ? d->g.memory_clock_idle : d->g.memory_clock;
	if (idle)
		return d->g.sm_clock_idle;
	return slowed(d) ? d->g.sm_clock / 2 : d->g.sm_clock;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
	struct device d;

	NEED(rates != NULL, sensor(device, &d));
	if (d.m.enabled)
		return NVML_ERROR_NOT_SUPPORTED; /* the driver has no sum of the parts either */
	rates->gpu = d.l.utilization / 10;
	rates->memory = d.l.utilization * 6 / 100;
	return NVML_SUCCESS;
}

static nvmlReturn_t engine(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	struct device d;

	NEED(utilization != NULL && period != NULL, sensor(device, &d));
	if (d.m.enabled)
		return NVML_ERROR_NOT_SUPPORTED;
	*utilization = 0;
	*period = 167000;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	return engine(device, utilization, period);
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	return engine(device, utilization, period);
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t kind, unsigned int *temp)
{
	struct device d;

	NEED(temp != NULL && kind == NVML_TEMPERATURE_GPU, sensor(device, &d));
	*temp = temperature(&d);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t type, unsigned int *temp)
{
	struct device d;

	NEED(temp != NULL, whole_gpu(device, &d));
	switch ((int)type) {
	case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN:
		*temp = d.g.temperature_shutdown;
		break;
	case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN:
		*temp = d.g.temperature_slowdown;
		break;
	case NVML_TEMPERATURE_THRESHOLD_MEM_MAX:
		*temp = d.g.temperature_memory_max;
		break;
	case NVML_TEMPERATURE_THRESHOLD_GPU_MAX:
		*temp = d.g.temperature_max;
		break;
	default:
		*temp = 0;
	}
	return *temp ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int *speed)
{
	struct device d;

	NEED(speed != NULL, sensor(device, &d));
	if (fan >= d.g.fans)
		return d.g.fans ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_SUPPORTED;
	*speed = temperature(&d) > 50 ? temperature(&d) - 20 : 30;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int *speed)
{
	return nvmlDeviceGetFanSpeed_v2(device, 0, speed);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power)
{
	struct device d;

	NEED(power != NULL, sensor(device, &d));
	*power = power_mw(&d);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy)
{
	struct device d;

	NEED(energy != NULL, sensor(device, &d));
	*energy = energy_mj(&d);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	struct device d;

	NEED(clock != NULL && (unsigned)type < NVML_CLOCK_COUNT, sensor(device, &d));
	*clock = clock_now(&d, type);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	struct device d;

	NEED(clock != NULL && (unsigned)type < NVML_CLOCK_COUNT, whole_gpu(device, &d));
	*clock = type == NVML_CLOCK_MEM ? d.g.memory_clock : d.g.sm_clock;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return nvmlDeviceGetMaxClockInfo(device, type, clock);
}

nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return nvmlDeviceGetMaxClockInfo(device, type, clock);
}

static nvmlReturn_t performance(nvmlDevice_t device, nvmlPstates_t *level)
{
	struct device d;

	NEED(level != NULL, sensor(device, &d));
	/* Memory that keeps its clock when idle is that of GPUs which stay in the highest level. */
	*level = d.l.utilization == 0 && d.g.memory_clock_idle != d.g.memory_clock ? NVML_PSTATE_8 : NVML_PSTATE_0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t *level)
{
	return performance(device, level);
}

nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t device, nvmlPstates_t *level)
{
	return performance(device, level);
}

static nvmlReturn_t event_reasons(nvmlDevice_t device, unsigned long long *reasons)
{
	struct device d;

	NEED(reasons != NULL, sensor(device, &d));
	*reasons = d.l.utilization ? nvmlClocksEventReasonNone : nvmlClocksEventReasonGpuIdle;
	if (slowed(&d))
		*reasons = nvmlClocksThrottleReasonHwSlowdown | nvmlClocksThrottleReasonHwThermalSlowdown;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
	return event_reasons(device, reasons);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
	return event_reasons(device, reasons);
}

static nvmlReturn_t supported_reasons(nvmlDevice_t device, unsigned long long *reasons)
{
	struct device d;

	NEED(reasons != NULL, whole_gpu(device, &d));
	*reasons = nvmlClocksEventReasonGpuIdle | nvmlClocksThrottleReasonHwSlowdown | nvmlClocksThrottleReasonHwThermalSlowdown;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
	return supported_reasons(device, reasons);
}

nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
	return supported_reasons(device, reasons);
}

nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int *kilobytes)
{
	struct device d;

	NEED(kilobytes != NULL && (unsigned)counter < NVML_PCIE_UTIL_COUNT, sensor(device, &d));
	*kilobytes = d.l.utilization * (counter == NVML_PCIE_UTIL_RX_BYTES ? 900 : 300);
	return NVML_SUCCESS;
}

/* ---- memory ---- */

static void memory(const struct device *d, nvmlMemory_v2_t *to)
{
	u64 all = d->g.memory_mib, used = d->l.used_mib, reserved = d->g.reserved_mib;

	if (d->instance != NO_INSTANCE) {
		/* What containers use is spread over the parts by their size. */
		u64 parts = 0;

		for (int i = 0; i < SIM_INSTANCES; i++)
			if (d->m.instance[i].profile && d->m.instance[i].profile <= d->g.profiles)
				parts += d->g.profile[d->m.instance[i].profile - 1].memory_mib;
		all = d->p.memory_mib;
		used = parts ? used * all / parts : 0;
		reserved = 0;
	}
	if (used > all - reserved)
		used = all - reserved;
	to->total = all << 20;
	to->reserved = reserved << 20;
	to->used = used << 20;
	to->free = (all - reserved - used) << 20;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *info)
{
	struct device d;
	nvmlMemory_v2_t m;

	NEED(info != NULL, any_device(device, &d));
	memory(&d, &m);
	info->total = m.total;
	info->free = m.free;
	info->used = m.used + m.reserved; /* this version has no word for what is reserved */
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *info)
{
	struct device d;

	NEED(info != NULL, any_device(device, &d));
	if (info->version != nvmlMemory_v2)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	memory(&d, info);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *info)
{
	struct device d;

	NEED(info != NULL, whole_gpu(device, &d));
	info->bar1Total = d.g.bar1_mib << 20;
	info->bar1Used = 1 << 20;
	info->bar1Free = info->bar1Total - info->bar1Used;
	return NVML_SUCCESS;
}

/* ---- errors ---- */

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
	struct device d;

	NEED(current != NULL && pending != NULL, whole_gpu(device, &d));
	if (!d.g.ecc)
		return NVML_ERROR_NOT_SUPPORTED;
	*current = *pending = NVML_FEATURE_ENABLED;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDefaultEccMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
	nvmlEnableState_t pending;

	return nvmlDeviceGetEccMode(device, mode, &pending);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, unsigned long long *count)
{
	struct device d;

	NEED(count != NULL && (unsigned)type < NVML_MEMORY_ERROR_TYPE_COUNT, sensor(device, &d));
	if (!d.g.ecc)
		return NVML_ERROR_NOT_SUPPORTED;
	*count = type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED ? d.l.ecc_uncorrected : 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
					     nvmlMemoryLocation_t location, unsigned long long *count)
{
	nvmlReturn_t ret = nvmlDeviceGetTotalEccErrors(device, type, counter, count);

	if (ret == NVML_SUCCESS && location != NVML_MEMORY_LOCATION_DEVICE_MEMORY)
		*count = 0;
	return ret;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected, unsigned int *pending, unsigned int *failure)
{
	struct device d;

	NEED(corrected != NULL && uncorrected != NULL && pending != NULL && failure != NULL, sensor(device, &d));
	if (!d.g.remaps_rows)
		return NVML_ERROR_NOT_SUPPORTED;
	*corrected = 0;
	*uncorrected = d.l.rows_remapped;
	*pending = d.l.rows_pending;
	*failure = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *pending)
{
	struct device d;

	NEED(pending != NULL, sensor(device, &d));
	if (!d.g.ecc || d.g.remaps_rows)
		return NVML_ERROR_NOT_SUPPORTED;
	*pending = d.l.rows_pending ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
	return NVML_SUCCESS;
}

/* ---- who works on it: nobody, for nothing is computed ---- */

static nvmlReturn_t nobody(nvmlDevice_t device, unsigned int *count)
{
	struct device d;

	NEED(count != NULL, any_device(device, &d));
	*count = 0;
	return NVML_SUCCESS;
}

#define NOBODY(function, type) \
	nvmlReturn_t function(nvmlDevice_t device, unsigned int *count, type *infos) \
	{ \
		return nobody(device, count); \
	}

NOBODY(nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t)
NOBODY(nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_v2_t)
NOBODY(nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t)
NOBODY(nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t)
NOBODY(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_v2_t)
NOBODY(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t)
NOBODY(nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t)
NOBODY(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_v2_t)
NOBODY(nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t)

/* ---- fields ---- */

static nvmlReturn_t field(struct device *d, nvmlFieldValue_t *v)
{
	v->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
	v->value.ullVal = 0;
	switch (v->fieldId) {
	case NVML_FI_DEV_GET_GPU_RECOVERY_ACTION:
		v->value.uiVal = d->l.recovery;
		return NVML_SUCCESS;
	case NVML_FI_DEV_MEMORY_TEMP:
		if (!d->g.temperature_memory_max)
			return NVML_ERROR_NOT_SUPPORTED;
		v->value.uiVal = temperature(d) + 6;
		return NVML_SUCCESS;
	case NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION:
		v->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
		v->value.ullVal = energy_mj(d);
		return NVML_SUCCESS;
	case NVML_FI_DEV_POWER_AVERAGE:
	case NVML_FI_DEV_POWER_INSTANT:
		v->value.uiVal = power_mw(d);
		return NVML_SUCCESS;
	case NVML_FI_DEV_POWER_MIN_LIMIT:
		v->value.uiVal = d->g.power_limit_min;
		return NVML_SUCCESS;
	case NVML_FI_DEV_POWER_MAX_LIMIT:
		v->value.uiVal = d->g.power_limit_max;
		return NVML_SUCCESS;
	case NVML_FI_DEV_POWER_DEFAULT_LIMIT:
	case NVML_FI_DEV_POWER_CURRENT_LIMIT:
	case NVML_FI_DEV_POWER_REQUESTED_LIMIT:
		v->value.uiVal = d->g.power_limit;
		return NVML_SUCCESS;
	case NVML_FI_DEV_PCIE_REPLAY_COUNTER:
		return NVML_SUCCESS;
	case NVML_FI_DEV_REMAPPED_COR:
	case NVML_FI_DEV_REMAPPED_UNC:
	case NVML_FI_DEV_REMAPPED_PENDING:
	case NVML_FI_DEV_REMAPPED_FAILURE:
		if (!d->g.remaps_rows)
			return NVML_ERROR_NOT_SUPPORTED;
		if (v->fieldId == NVML_FI_DEV_REMAPPED_UNC)
			v->value.uiVal = d->l.rows_remapped;
		if (v->fieldId == NVML_FI_DEV_REMAPPED_PENDING)
			v->value.uiVal = d->l.rows_pending;
		return NVML_SUCCESS;
	case NVML_FI_DEV_ECC_CURRENT:
	case NVML_FI_DEV_ECC_PENDING:
		v->value.uiVal = d->g.ecc;
		return NVML_SUCCESS;
	case NVML_FI_DEV_ECC_SBE_VOL_TOTAL:
	case NVML_FI_DEV_ECC_DBE_VOL_TOTAL:
	case NVML_FI_DEV_ECC_SBE_AGG_TOTAL:
	case NVML_FI_DEV_ECC_DBE_AGG_TOTAL:
		if (!d->g.ecc)
			return NVML_ERROR_NOT_SUPPORTED;
		v->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
		if (v->fieldId == NVML_FI_DEV_ECC_DBE_VOL_TOTAL || v->fieldId == NVML_FI_DEV_ECC_DBE_AGG_TOTAL)
			v->value.ullVal = d->l.ecc_uncorrected;
		return NVML_SUCCESS;
	case NVML_FI_DEV_NVLINK_LINK_COUNT:
		return NVML_SUCCESS;
	}
	return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	struct device d;

	NEED(count > 0 && values != NULL, sensor(device, &d));
	for (int i = 0; i < count; i++) {
		values[i].timestamp = (long long)(sys_time() / 1000);
		values[i].latencyUsec = 0;
		values[i].nvmlReturn = field(&d, &values[i]);
	}
	return NVML_SUCCESS;
}

/* ---- events ---- */

static struct set *find_set(nvmlEventSet_t set)
{
	size_t at = (size_t)set - (size_t)sets;

	return at < sizeof sets && at % sizeof *sets == 0 && sets[at / sizeof *sets].used ? &sets[at / sizeof *sets] : NULL;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
	nvmlReturn_t ret = NVML_ERROR_MEMORY;

	NEED(set != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	lock();
	for (int i = 0; i < SETS; i++) {
		if (!sets[i].used) {
			memset(&sets[i], 0, sizeof sets[i]);
			sets[i].used = 1;
			*set = (nvmlEventSet_t)&sets[i];
			ret = NVML_SUCCESS;
			break;
		}
	}
	unlock();
	return ret;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
	struct set *s;

	lock();
	s = find_set(set);
	if (s != NULL)
		s->used = 0;
	unlock();
	return s == NULL ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

static u64 event_types(const struct sim_gpu *g)
{
	return nvmlEventTypeXidCriticalError | (g->ecc ? nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError : 0);
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
	struct device d;

	NEED(types != NULL, whole_gpu(device, &d));
	*types = event_types(&d.g);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
	struct device d;
	struct set *s;

	NEED(1, whole_gpu(device, &d));
	if (types & ~event_types(&d.g))
		return NVML_ERROR_NOT_SUPPORTED;
	lock();
	s = find_set(set);
	if (s != NULL) {
		if (s->types[d.gpu] == 0)
			s->seen[d.gpu] = d.l.events;
		s->types[d.gpu] |= types;
	}
	unlock();
	return s == NULL ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

/* next_event takes the oldest XID that the set has not told. */
static int next_event(struct set *s, nvmlEventData_t *data)
{
	for (int gpu = 0; gpu < SIM_GPUS; gpu++) {
		struct sim_load l;

		if (!(s->types[gpu] & nvmlEventTypeXidCriticalError))
			continue;
		get_load(gpu, &l);
		if (l.events < s->seen[gpu])
			s->seen[gpu] = 0; /* the driver was made anew */
		if (l.events == s->seen[gpu])
			continue;
		if (l.events - s->seen[gpu] > SIM_EVENTS)
			s->seen[gpu] = l.events - SIM_EVENTS;
		data->device = (nvmlDevice_t)&gpu_handles[gpu];
		data->eventType = nvmlEventTypeXidCriticalError;
		data->eventData = l.xids[s->seen[gpu] % SIM_EVENTS];
		s->seen[gpu]++;
		return 1;
	}
	return 0;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout)
{
	const u64 millisecond = 1000000, step = 100;
	u64 end = sys_monotonic() + timeout * millisecond;

	NEED(data != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	memset(data, 0, sizeof *data);
	data->gpuInstanceId = data->computeInstanceId = 0xFFFFFFFF;
	for (;;) {
		struct set *s;
		u64 left, at;
		int found;

		lock();
		/* Another thread may end NVML while this one waits. */
		s = state == NULL ? NULL : find_set(set);
		found = s != NULL && next_event(s, data);
		unlock();
		if (s == NULL)
			return state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_ERROR_INVALID_ARGUMENT;
		if (found)
			return NVML_SUCCESS;
		at = sys_monotonic();
		if (at >= end)
			return NVML_ERROR_TIMEOUT;
		left = end - at;
		sys_sleep(left < step * millisecond ? left : step * millisecond);
	}
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout)
{
	return nvmlEventSetWait_v2(set, data, timeout);
}

/* ---- MIG ---- */

/* A change of a GPU's parts: the file is locked and open for writing, m is a copy that end_change writes. */
struct change {
	volatile struct sim_state *s;
	int fd;
	int gpu;
	struct sim_gpu g;
	struct sim_mig m;
};

static nvmlReturn_t begin_change(int gpu, struct change *c)
{
	nvmlReturn_t ret = open_state(1, &c->s, &c->fd);

	if (ret != NVML_SUCCESS)
		return ret;
	sys_lock(c->fd);
	c->gpu = gpu;
	get_gpu(gpu, &c->g);
	memcpy(&c->m, (const void *)&c->s->mig[gpu], sizeof c->m);
	return NVML_SUCCESS;
}

static nvmlReturn_t end_change(struct change *c, nvmlReturn_t ret)
{
	if (ret == NVML_SUCCESS) {
		u32 seq = c->s->mig_seq | 1;

		__atomic_store_n(&c->s->mig_seq, seq, __ATOMIC_SEQ_CST);
		memcpy((void *)&c->s->mig[c->gpu], &c->m, sizeof c->m);
		__atomic_store_n(&c->s->mig_seq, seq + 1, __ATOMIC_SEQ_CST);
	}
	sys_unmap((void *)c->s, sizeof *c->s);
	sys_close(c->fd);
	return ret;
}

/* add_cap and drop_cap make and remove the node that stands for the right to use a part. */
static nvmlReturn_t add_cap(unsigned cap)
{
	char path[PATH_SIZE + 64];

	cap_path(path, sizeof path, cap);
	sys_remove(path);
	return sys_mknod(path, NODE_MODE, 1, 3) == 0 ? NVML_SUCCESS : NVML_ERROR_NO_PERMISSION; /* like /dev/null */
}

static void drop_cap(unsigned cap)
{
	char path[PATH_SIZE + 64];

	cap_path(path, sizeof path, cap);
	sys_remove(path);
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
	struct device d;

	NEED(current != NULL && pending != NULL, whole_gpu(device, &d));
	if (d.g.profiles == 0)
		return NVML_ERROR_NOT_SUPPORTED;
	*current = *pending = d.m.enabled;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *status)
{
	struct device d;
	struct change c;
	nvmlReturn_t ret;

	NEED(mode <= 1 && status != NULL, whole_gpu(device, &d));
	if (d.g.profiles == 0)
		return NVML_ERROR_NOT_SUPPORTED;
	*status = NVML_SUCCESS;
	ret = begin_change(d.gpu, &c);
	if (ret != NVML_SUCCESS)
		return ret;
	for (int i = 0; i < SIM_INSTANCES; i++)
		if (!mode && c.m.instance[i].profile)
			return end_change(&c, NVML_ERROR_IN_USE);
	c.m.enabled = mode;
	return end_change(&c, NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
	struct device d;

	NEED(count != NULL, whole_gpu(device, &d));
	*count = d.g.profiles ? SIM_COMPUTES : 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *part)
{
	struct device d;
	int at = -1;

	NEED(part != NULL, whole_gpu(device, &d));
	if (d.g.profiles == 0)
		return NVML_ERROR_NOT_SUPPORTED;
	for (at = next_part(d.gpu, &d.m, at); at >= 0 && index > 0; at = next_part(d.gpu, &d.m, at))
		index--;
	if (at < 0)
		return NVML_ERROR_NOT_FOUND;
	*part = mig_handle(d.gpu, at);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t part, nvmlDevice_t *device)
{
	struct device d;

	NEED(device != NULL, any_device(part, &d));
	if (d.instance == NO_INSTANCE)
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = (nvmlDevice_t)&gpu_handles[d.gpu];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t part, unsigned int *id)
{
	struct device d;

	NEED(id != NULL, any_device(part, &d));
	*id = (unsigned)d.instance;
	return d.instance == NO_INSTANCE ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t part, unsigned int *id)
{
	struct device d;

	NEED(id != NULL, any_device(part, &d));
	*id = (unsigned)d.compute;
	return d.instance == NO_INSTANCE ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

/* share is what a compute instance has of its GPU instance's multiprocessors. */
static u32 share(const struct sim_profile *p, u32 slices)
{
	return p->multiprocessors * slices / p->slices;
}

static nvmlReturn_t attributes(nvmlDevice_t device, nvmlDeviceAttributes_t *to)
{
	struct device d;
	u32 slices;

	NEED(to != NULL, any_device(device, &d));
	if (d.instance == NO_INSTANCE)
		return NVML_ERROR_NOT_SUPPORTED;
	slices = d.m.instance[d.instance].compute[d.compute].slices;
	memset(to, 0, sizeof *to);
	to->multiprocessorCount = share(&d.p, slices);
	to->sharedCopyEngineCount = d.p.copy_engines;
	to->sharedDecoderCount = d.p.decoders;
	to->sharedEncoderCount = d.p.encoders;
	to->sharedJpegCount = d.p.jpegs;
	to->sharedOfaCount = d.p.ofas;
	to->gpuInstanceSliceCount = d.p.slices;
	to->computeInstanceSliceCount = slices;
	to->memorySizeMB = d.p.memory_mib;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t *to)
{
	return attributes(device, to);
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *to)
{
	return attributes(device, to);
}

/* instance_profile finds a size by NVML's name of it, instance_profile_id by its number. They return 1 + its index. */
static u32 instance_profile(const struct sim_gpu *g, unsigned profile)
{
	for (u32 i = 0; i < g->profiles && i < SIM_PROFILES; i++)
		if (g->profile[i].profile == profile)
			return i + 1;
	return 0;
}

static u32 instance_profile_id(const struct sim_gpu *g, unsigned id)
{
	for (u32 i = 0; i < g->profiles && i < SIM_PROFILES; i++)
		if (g->profile[i].id == id)
			return i + 1;
	return 0;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_t *info)
{
	struct device d;
	const struct sim_profile *p;
	u32 at;

	NEED(info != NULL && profile < NVML_GPU_INSTANCE_PROFILE_COUNT, whole_gpu(device, &d));
	at = instance_profile(&d.g, profile);
	if (at == 0)
		return NVML_ERROR_NOT_SUPPORTED;
	p = &d.g.profile[at - 1];
	memset(info, 0, sizeof *info);
	info->id = p->id;
	info->sliceCount = p->slices;
	info->instanceCount = p->instances;
	info->multiprocessorCount = p->multiprocessors;
	info->copyEngineCount = p->copy_engines;
	info->decoderCount = p->decoders;
	info->encoderCount = p->encoders;
	info->jpegCount = p->jpegs;
	info->ofaCount = p->ofas;
	info->memorySizeMB = p->memory_mib;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_v2_t *info)
{
	struct device d;
	nvmlGpuInstanceProfileInfo_t v1;
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
	nvmlReturn_t ret;
	nvmlGpuInstanceProfileInfo_v3_t *v3 = (nvmlGpuInstanceProfileInfo_v3_t *)info;

	NEED(info != NULL, whole_gpu(device, &d));
	ret = nvmlDeviceGetGpuInstanceProfileInfo(device, profile, &v1);
	if (ret != NVML_SUCCESS)
		return ret;
	profile_name(&d.g, &d.g.profile[instance_profile(&d.g, profile) - 1], name, sizeof name);
/* Both versions have these fields, at different places. */
#define FILL(to) \
	do { \
		(to)->id = v1.id; \
		(to)->sliceCount = v1.sliceCount; \
		(to)->instanceCount = v1.instanceCount; \
		(to)->multiprocessorCount = v1.multiprocessorCount; \
		(to)->copyEngineCount = v1.copyEngineCount; \
		(to)->decoderCount = v1.decoderCount; \
		(to)->encoderCount = v1.encoderCount; \
		(to)->jpegCount = v1.jpegCount; \
		(to)->ofaCount = v1.ofaCount; \
		(to)->memorySizeMB = v1.memorySizeMB; \
		memcpy((to)->name, name, sizeof name); \
	} while (0)
	if (info->version == nvmlGpuInstanceProfileInfo_v2) {
		info->isP2pSupported = 0;
		FILL(info);
		return NVML_SUCCESS;
	}
	if (info->version == nvmlGpuInstanceProfileInfo_v3) {
		FILL(v3);
		v3->capabilities = 0;
		return NVML_SUCCESS;
	}
#undef FILL
	return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
}

/* taken are the slices of memory that instances have, as bits. */
static u32 slices_at(const struct sim_profile *p, u32 start)
{
	return ((1u << p->size) - 1) << start;
}

static u32 taken(const struct sim_gpu *g, const struct sim_mig *m)
{
	u32 bits = 0;

	for (int i = 0; i < SIM_INSTANCES; i++)
		if (m->instance[i].profile && m->instance[i].profile <= g->profiles)
			bits |= slices_at(&g->profile[m->instance[i].profile - 1], m->instance[i].start);
	return bits;
}

/* room counts how many more instances of a size fit, placed so that they take the least. */
static u32 room(const struct sim_gpu *g, const struct sim_mig *m, u32 profile)
{
	const struct sim_profile *p = &g->profile[profile - 1];
	u32 free = 0, there = 0, bits = taken(g, m);

	for (int i = 0; i < SIM_INSTANCES; i++)
		there += m->instance[i].profile == profile;
	for (u32 i = 0; i < p->placements; i++)
		free += !(bits & slices_at(p, p->starts[i]));
	if (there >= p->instances)
		return 0;
	return free < p->instances - there ? free : p->instances - there;
}

/*
 * place chooses where a new instance goes, as the driver does: where it takes the fewest places from other sizes, the
 * lowest of these. It returns -1 if there is none.
 */
static int place(const struct sim_gpu *g, const struct sim_mig *m, u32 profile)
{
	const struct sim_profile *p = &g->profile[profile - 1];
	u32 bits = taken(g, m), least = ~0u;
	int best = -1;

	if (room(g, m, profile) == 0)
		return -1;
	for (u32 i = 0; i < p->placements; i++) {
		u32 own = slices_at(p, p->starts[i]), cost = 0;

		if (bits & own)
			continue;
		for (u32 j = 0; j < g->profiles; j++) {
			const struct sim_profile *other = &g->profile[j];

			for (u32 k = 0; k < other->placements; k++) {
				u32 place = slices_at(other, other->starts[k]);

				cost += !(place & bits) && (place & own);
			}
		}
		if (cost < least) {
			least = cost;
			best = (int)p->starts[i];
		}
	}
	return best;
}

/* instance_id numbers the places: the whole is 0, halves are 1 and 2, quarters 3 to 6, eighths 7 to 14. */
static int instance_id(const struct sim_profile *p, u32 start)
{
	return (int)(8 / p->size - 1 + start / p->size);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, unsigned int id, unsigned int *count)
{
	struct device d;
	u32 profile;

	NEED(count != NULL, whole_gpu(device, &d));
	if (!d.m.enabled)
		return NVML_ERROR_NOT_SUPPORTED;
	profile = instance_profile_id(&d.g, id);
	if (profile == 0)
		return NVML_ERROR_NOT_SUPPORTED;
	*count = room(&d.g, &d.m, profile);
	return NVML_SUCCESS;
}

static nvmlReturn_t placements(nvmlDevice_t device, unsigned int id, nvmlGpuInstancePlacement_t *to, unsigned int *count)
{
	struct device d;
	const struct sim_profile *p;
	u32 profile;

	NEED(count != NULL, whole_gpu(device, &d));
	profile = instance_profile_id(&d.g, id);
	if (profile == 0)
		return NVML_ERROR_NOT_SUPPORTED;
	p = &d.g.profile[profile - 1];
	if (to != NULL) {
		if (*count < p->placements)
			return NVML_ERROR_INSUFFICIENT_SIZE;
		for (u32 i = 0; i < p->placements; i++) {
			to[i].start = p->starts[i];
			to[i].size = p->size;
		}
	}
	*count = p->placements;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int id, nvmlGpuInstancePlacement_t *to, unsigned int *count)
{
	return placements(device, id, to, count);
}

nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements(nvmlDevice_t device, unsigned int id, nvmlGpuInstancePlacement_t *to, unsigned int *count)
{
	return placements(device, id, to, count);
}

static nvmlReturn_t create_instance(nvmlDevice_t device, unsigned int id, const nvmlGpuInstancePlacement_t *where, nvmlGpuInstance_t *instance)
{
	struct device d;
	struct change c;
	const struct sim_profile *p;
	nvmlReturn_t ret;
	u32 profile;
	int start, at;

	NEED(instance != NULL, whole_gpu(device, &d));
	profile = instance_profile_id(&d.g, id);
	if (profile == 0 || !d.m.enabled)
		return NVML_ERROR_NOT_SUPPORTED;
	p = &d.g.profile[profile - 1];
	ret = begin_change(d.gpu, &c);
	if (ret != NVML_SUCCESS)
		return ret;
	start = place(&d.g, &c.m, profile);
	if (where != NULL) {
		int possible = 0;

		for (u32 i = 0; i < p->placements; i++)
			possible |= p->starts[i] == where->start && p->size == where->size;
		if (!possible)
			return end_change(&c, NVML_ERROR_INVALID_ARGUMENT);
		if (start >= 0)
			start = taken(&d.g, &c.m) & slices_at(p, where->start) ? -1 : (int)where->start;
	}
	if (start < 0)
		return end_change(&c, NVML_ERROR_INSUFFICIENT_RESOURCES);
	at = instance_id(p, (u32)start);
	memset(&c.m.instance[at], 0, sizeof c.m.instance[at]);
	c.m.instance[at].profile = profile;
	c.m.instance[at].start = (u32)start;
	ret = end_change(&c, add_cap(cap_of_instance(d.g.minor, at)));
	if (ret == NVML_SUCCESS)
		*instance = (nvmlGpuInstance_t)&instance_handles[d.gpu][at];
	return ret;
}

nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instance)
{
	return create_instance(device, id, NULL, instance);
}

nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int id, const nvmlGpuInstancePlacement_t *placement,
						      nvmlGpuInstance_t *instance)
{
	return placement == NULL ? NVML_ERROR_INVALID_ARGUMENT : create_instance(device, id, placement, instance);
}

static nvmlReturn_t any_instance(nvmlGpuInstance_t handle, struct device *d)
{
	int at;

	if (state == NULL)
		return NVML_ERROR_UNINITIALIZED;
	at = find_in(handle, &instance_handles[0][0], sizeof instance_handles);
	return at < 0 ? NVML_ERROR_INVALID_ARGUMENT : load_instance(at / SIM_INSTANCES, at % SIM_INSTANCES, d);
}

static nvmlReturn_t any_compute(nvmlComputeInstance_t handle, struct device *d)
{
	int at;

	if (state == NULL)
		return NVML_ERROR_UNINITIALIZED;
	at = find_in(handle, &compute_handles[0][0][0], sizeof compute_handles);
	if (at < 0)
		return NVML_ERROR_INVALID_ARGUMENT;
	return load_compute(at / (SIM_INSTANCES * SIM_COMPUTES), at / SIM_COMPUTES % SIM_INSTANCES, at % SIM_COMPUTES, d);
}

nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t instance)
{
	struct device d;
	struct change c;
	nvmlReturn_t ret;

	NEED(1, any_instance(instance, &d));
	ret = begin_change(d.gpu, &c);
	if (ret != NVML_SUCCESS)
		return ret;
	for (int i = 0; i < SIM_COMPUTES; i++)
		if (c.m.instance[d.instance].compute[i].slices)
			return end_change(&c, NVML_ERROR_IN_USE);
	memset(&c.m.instance[d.instance], 0, sizeof c.m.instance[d.instance]);
	drop_cap(cap_of_instance(d.g.minor, d.instance));
	return end_change(&c, NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instances, unsigned int *count)
{
	struct device d;
	u32 profile;

	NEED(instances != NULL && count != NULL, whole_gpu(device, &d));
	profile = instance_profile_id(&d.g, id);
	if (profile == 0 || !d.m.enabled)
		return NVML_ERROR_NOT_SUPPORTED;
	*count = 0;
	for (int i = 0; i < SIM_INSTANCES; i++)
		if (d.m.instance[i].profile == profile)
			instances[(*count)++] = (nvmlGpuInstance_t)&instance_handles[d.gpu][i];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instance)
{
	struct device d;

	NEED(instance != NULL, whole_gpu(device, &d));
	if (!d.m.enabled)
		return NVML_ERROR_NOT_SUPPORTED;
	if (id >= SIM_INSTANCES || d.m.instance[id].profile == 0)
		return NVML_ERROR_NOT_FOUND;
	*instance = (nvmlGpuInstance_t)&instance_handles[d.gpu][id];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance, nvmlGpuInstanceInfo_t *info)
{
	struct device d;

	NEED(info != NULL, any_instance(instance, &d));
	info->device = (nvmlDevice_t)&gpu_handles[d.gpu];
	info->id = (unsigned)d.instance;
	info->profileId = d.p.id;
	info->placement.start = d.m.instance[d.instance].start;
	info->placement.size = d.p.size;
	return NVML_SUCCESS;
}

/* Compute instances have 1, 2, 3, 4 or 7 slices; NVML's names of these sizes are 0 to 4, and so are their numbers here. */
static const u32 compute_slices[] = { 1, 2, 3, 4, 7 };
enum { COMPUTE_SIZES = sizeof compute_slices / sizeof *compute_slices };

static int compute_fits(const struct sim_profile *p, unsigned size)
{
	/* Half of what is there, all of it, or less; three of four slices are not offered. */
	return size < COMPUTE_SIZES && compute_slices[size] <= p->slices && !(compute_slices[size] == 3 && p->slices == 4);
}

static nvmlReturn_t compute_profile(nvmlGpuInstance_t instance, unsigned int profile, unsigned int engine, nvmlComputeInstanceProfileInfo_t *info)
{
	struct device d;

	NEED(info != NULL && profile < NVML_COMPUTE_INSTANCE_PROFILE_COUNT && engine < NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_COUNT,
	     any_instance(instance, &d));
	if (!compute_fits(&d.p, profile))
		return NVML_ERROR_NOT_SUPPORTED;
	info->id = profile;
	info->sliceCount = compute_slices[profile];
	info->instanceCount = d.p.slices / compute_slices[profile];
	info->multiprocessorCount = share(&d.p, compute_slices[profile]);
	info->sharedCopyEngineCount = d.p.copy_engines;
	info->sharedDecoderCount = d.p.decoders;
	info->sharedEncoderCount = d.p.encoders;
	info->sharedJpegCount = d.p.jpegs;
	info->sharedOfaCount = d.p.ofas;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t instance, unsigned int profile, unsigned int engine,
							  nvmlComputeInstanceProfileInfo_t *info)
{
	return compute_profile(instance, profile, engine, info);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t instance, unsigned int profile, unsigned int engine,
							   nvmlComputeInstanceProfileInfo_v2_t *info)
{
	struct device d;
	nvmlComputeInstanceProfileInfo_t v1;
	nvmlReturn_t ret;
	char gpu_profile[64];

	NEED(info != NULL, any_instance(instance, &d));
	if (info->version != nvmlComputeInstanceProfileInfo_v2)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	ret = compute_profile(instance, profile, engine, &v1);
	if (ret != NVML_SUCCESS)
		return ret;
	info->id = v1.id;
	info->sliceCount = v1.sliceCount;
	info->instanceCount = v1.instanceCount;
	info->multiprocessorCount = v1.multiprocessorCount;
	info->sharedCopyEngineCount = v1.sharedCopyEngineCount;
	info->sharedDecoderCount = v1.sharedDecoderCount;
	info->sharedEncoderCount = v1.sharedEncoderCount;
	info->sharedJpegCount = v1.sharedJpegCount;
	info->sharedOfaCount = v1.sharedOfaCount;
	profile_name(&d.g, &d.p, gpu_profile, sizeof gpu_profile);
	if (v1.sliceCount == d.p.slices)
		format(info->name, sizeof info->name, "%s", gpu_profile);
	else
		format(info->name, sizeof info->name, "MIG %uc.%s", v1.sliceCount, gpu_profile + 4);
	return NVML_SUCCESS;
}

static u32 compute_taken(const struct sim_instance *i)
{
	u32 bits = 0;

	for (int c = 0; c < SIM_COMPUTES; c++)
		bits |= ((1u << i->compute[c].slices) - 1) << i->compute[c].start;
	return bits;
}

/* compute_place returns the first free start for a number of slices, -1 if there is none; count counts them all. */
static int compute_place(const struct sim_instance *i, const struct sim_profile *p, u32 slices, u32 *count)
{
	u32 bits = compute_taken(i);
	int first = -1;

	*count = 0;
	for (u32 start = 0; start + slices <= p->slices; start += slices) {
		if (bits & (((1u << slices) - 1) << start))
			continue;
		if (first < 0)
			first = (int)start;
		++*count;
	}
	return first;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceRemainingCapacity(nvmlGpuInstance_t instance, unsigned int id, unsigned int *count)
{
	struct device d;

	NEED(count != NULL, any_instance(instance, &d));
	if (!compute_fits(&d.p, id))
		return NVML_ERROR_NOT_SUPPORTED;
	compute_place(&d.m.instance[d.instance], &d.p, compute_slices[id], count);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstancePossiblePlacements(nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstancePlacement_t *to,
								 unsigned int *count)
{
	struct device d;
	u32 n;

	NEED(count != NULL, any_instance(instance, &d));
	if (!compute_fits(&d.p, id))
		return NVML_ERROR_NOT_SUPPORTED;
	n = d.p.slices / compute_slices[id];
	if (to != NULL) {
		if (*count < n)
			return NVML_ERROR_INSUFFICIENT_SIZE;
		for (u32 i = 0; i < n; i++) {
			to[i].start = i * compute_slices[id];
			to[i].size = compute_slices[id];
		}
	}
	*count = n;
	return NVML_SUCCESS;
}

static nvmlReturn_t create_compute(nvmlGpuInstance_t instance, unsigned int id, const nvmlComputeInstancePlacement_t *where, nvmlComputeInstance_t *to)
{
	struct device d;
	struct change c;
	struct sim_instance *i;
	nvmlReturn_t ret;
	u32 count;
	int start, at = 0;

	NEED(to != NULL, any_instance(instance, &d));
	if (!compute_fits(&d.p, id))
		return NVML_ERROR_NOT_SUPPORTED;
	ret = begin_change(d.gpu, &c);
	if (ret != NVML_SUCCESS)
		return ret;
	i = &c.m.instance[d.instance];
	start = compute_place(i, &d.p, compute_slices[id], &count);
	if (where != NULL) {
		if (where->size != compute_slices[id] || where->start % where->size || where->start + where->size > d.p.slices)
			return end_change(&c, NVML_ERROR_INVALID_ARGUMENT);
		start = compute_taken(i) & (((1u << where->size) - 1) << where->start) ? -1 : (int)where->start;
	}
	while (at < SIM_COMPUTES && i->compute[at].slices)
		at++;
	if (start < 0 || at == SIM_COMPUTES)
		return end_change(&c, NVML_ERROR_INSUFFICIENT_RESOURCES);
	i->compute[at].slices = compute_slices[id];
	i->compute[at].start = (u32)start;
	ret = end_change(&c, add_cap(cap_of_instance(d.g.minor, d.instance) + 1 + (unsigned)at));
	if (ret == NVML_SUCCESS)
		*to = (nvmlComputeInstance_t)&compute_handles[d.gpu][d.instance][at];
	return ret;
}

nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *to)
{
	return create_compute(instance, id, NULL, to);
}

nvmlReturn_t nvmlGpuInstanceCreateComputeInstanceWithPlacement(nvmlGpuInstance_t instance, unsigned int id,
							       const nvmlComputeInstancePlacement_t *placement, nvmlComputeInstance_t *to)
{
	return placement == NULL ? NVML_ERROR_INVALID_ARGUMENT : create_compute(instance, id, placement, to);
}

nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t instance)
{
	struct device d;
	struct change c;
	nvmlReturn_t ret;

	NEED(1, any_compute(instance, &d));
	ret = begin_change(d.gpu, &c);
	if (ret != NVML_SUCCESS)
		return ret;
	memset(&c.m.instance[d.instance].compute[d.compute], 0, sizeof(struct sim_compute));
	drop_cap(cap_of_instance(d.g.minor, d.instance) + 1 + (unsigned)d.compute);
	return end_change(&c, NVML_SUCCESS);
}

static int compute_size(u32 slices)
{
	for (int i = 0; i < COMPUTE_SIZES; i++)
		if (compute_slices[i] == slices)
			return i;
	return -1;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *to, unsigned int *count)
{
	struct device d;

	NEED(to != NULL && count != NULL, any_instance(instance, &d));
	if (!compute_fits(&d.p, id))
		return NVML_ERROR_NOT_SUPPORTED;
	*count = 0;
	for (int i = 0; i < SIM_COMPUTES; i++)
		if (d.m.instance[d.instance].compute[i].slices == compute_slices[id])
			to[(*count)++] = (nvmlComputeInstance_t)&compute_handles[d.gpu][d.instance][i];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *to)
{
	struct device d;

	NEED(to != NULL, any_instance(instance, &d));
	if (id >= SIM_COMPUTES || d.m.instance[d.instance].compute[id].slices == 0)
		return NVML_ERROR_NOT_FOUND;
	*to = (nvmlComputeInstance_t)&compute_handles[d.gpu][d.instance][id];
	return NVML_SUCCESS;
}

static nvmlReturn_t compute_info(nvmlComputeInstance_t instance, nvmlComputeInstanceInfo_t *info)
{
	struct device d;
	const struct sim_compute *c;

	NEED(info != NULL, any_compute(instance, &d));
	c = &d.m.instance[d.instance].compute[d.compute];
	info->device = (nvmlDevice_t)&gpu_handles[d.gpu];
	info->gpuInstance = (nvmlGpuInstance_t)&instance_handles[d.gpu][d.instance];
	info->id = (unsigned)d.compute;
	info->profileId = (unsigned)compute_size(c->slices);
	info->placement.start = c->start;
	info->placement.size = c->slices;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlComputeInstanceGetInfo(nvmlComputeInstance_t instance, nvmlComputeInstanceInfo_t *info)
{
	return compute_info(instance, info);
}

nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t instance, nvmlComputeInstanceInfo_t *info)
{
	return compute_info(instance, info);
}

/* ---- counters of the engines (GPM) ---- */

nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
	struct device d;

	NEED(support != NULL, whole_gpu(device, &d));
	support->isSupportedDevice = d.g.gpm;
	return NVML_SUCCESS;
}

static struct sample *find_sample(nvmlGpmSample_t sample)
{
	size_t at = (size_t)sample - (size_t)samples;

	return at < sizeof samples && at % sizeof *samples == 0 && samples[at / sizeof *samples].used ? &samples[at / sizeof *samples] : NULL;
}

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
	nvmlReturn_t ret = NVML_ERROR_MEMORY;

	NEED(sample != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	lock();
	for (int i = 0; i < SAMPLES; i++) {
		if (!samples[i].used) {
			memset(&samples[i], 0, sizeof samples[i]);
			samples[i].used = 1;
			*sample = (nvmlGpmSample_t)&samples[i];
			ret = NVML_SUCCESS;
			break;
		}
	}
	unlock();
	return ret;
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
	struct sample *s = find_sample(sample);

	if (s == NULL)
		return NVML_ERROR_INVALID_ARGUMENT;
	s->used = 0;
	return NVML_SUCCESS;
}

static nvmlReturn_t take_sample(nvmlDevice_t device, int instance, nvmlGpmSample_t sample)
{
	struct device d;
	struct sample *s = find_sample(sample);

	NEED(s != NULL, whole_gpu(device, &d));
	if (d.l.lost)
		return NVML_ERROR_GPU_IS_LOST;
	if (!d.g.gpm)
		return NVML_ERROR_NOT_SUPPORTED;
	if (instance != NO_INSTANCE && (instance < 0 || instance >= SIM_INSTANCES || d.m.instance[instance].profile == 0))
		return NVML_ERROR_INVALID_ARGUMENT;
	s->gpu = d.gpu;
	s->instance = instance;
	s->time = sys_monotonic();
	s->utilization = d.l.utilization;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
	return take_sample(device, NO_INSTANCE, sample);
}

nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int instance, nvmlGpmSample_t sample)
{
	return take_sample(device, (int)instance, sample);
}

static nvmlReturn_t metric(u32 utilization, nvmlGpmMetric_t *m)
{
	double percent = utilization / 10.0;

	switch (m->metricId) {
	case NVML_GPM_METRIC_GRAPHICS_UTIL:
		m->value = percent;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_SM_UTIL:
		m->value = percent * 0.9;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_SM_OCCUPANCY:
	case NVML_GPM_METRIC_ANY_TENSOR_UTIL:
	case NVML_GPM_METRIC_HMMA_TENSOR_UTIL:
		m->value = percent * 0.4;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_DRAM_BW_UTIL:
		m->value = percent * 0.6;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_FP32_UTIL:
		m->value = percent * 0.1;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_FP64_UTIL:
	case NVML_GPM_METRIC_FP16_UTIL:
	case NVML_GPM_METRIC_INTEGER_UTIL:
	case NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC:
	case NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC:
		m->value = 0;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_PCIE_TX_PER_SEC: /* MiB/s, as for all of them */
		m->value = utilization * 300.0 / 1024;
		return NVML_SUCCESS;
	case NVML_GPM_METRIC_PCIE_RX_PER_SEC:
		m->value = utilization * 900.0 / 1024;
		return NVML_SUCCESS;
	default:
		return NVML_ERROR_NOT_SUPPORTED;
	}
}

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
	struct sample *one, *other;

	NEED(get != NULL, state == NULL ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS);
	one = find_sample(get->sample1);
	other = find_sample(get->sample2);
	if (one == NULL || other == NULL || one->gpu != other->gpu || one->instance != other->instance || get->numMetrics > NVML_GPM_METRIC_MAX)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (u32 i = 0; i < get->numMetrics; i++)
		get->metrics[i].nvmlReturn = metric((one->utilization + other->utilization) / 2, &get->metrics[i]);
	return NVML_SUCCESS;
}

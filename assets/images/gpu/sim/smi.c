/*
 * A stand-in of nvidia-smi for the simulated GPUs. It is one file without libraries, so that it runs in every image, and it
 * says first that the GPUs are simulated where a person reads; lists that programs read have the form of the original.
 */
#include "nvml.inc.h"
#include "state.h"
#include "sys.h"

#define BANNER "SIMULATED GPU: nothing is computed here (Benchtop)"

enum { MAX_FIELDS = 48 };

static char text[1 << 16];
static size_t used;

static void flush(void)
{
	for (size_t at = 0; at < used;) {
		long n = sys_write(1, text + at, used - at);

		if (n <= 0)
			sys_exit(1);
		at += (size_t)n;
	}
	used = 0;
}

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list args;

	if (sizeof text - used < 4096)
		flush();
	va_start(args, fmt);
	used += (size_t)vformat(text + used, sizeof text - used, fmt, args);
	va_end(args);
}

__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *fmt, ...)
{
	va_list args;

	flush();
	va_start(args, fmt);
	used = (size_t)vformat(text, sizeof text, fmt, args);
	va_end(args);
	sys_write(2, text, used < sizeof text ? used : sizeof text - 1);
	sys_exit(2);
}

/* ---- the values that --query-gpu knows ---- */

struct row {
	nvmlDevice_t device;
	unsigned index;
};

typedef void writer(const struct row *r, char *to, size_t n);

#define VALUE(name) static void name(const struct row *r, char *to, size_t n)

/* NUMBER is a value of one call that has a unit. */
#define NUMBER(name, type, call, expression) \
	VALUE(name) \
	{ \
		type v; \
		if ((call) == NVML_SUCCESS) \
			format(to, n, "%u", (unsigned)(expression)); \
	}

VALUE(write_index)
{
	format(to, n, "%u", r->index);
}

VALUE(write_name)
{
	nvmlDeviceGetName(r->device, to, (unsigned)n);
}

VALUE(write_uuid)
{
	nvmlDeviceGetUUID(r->device, to, (unsigned)n);
}

VALUE(write_serial)
{
	nvmlDeviceGetSerial(r->device, to, (unsigned)n);
}

VALUE(write_vbios)
{
	nvmlDeviceGetVbiosVersion(r->device, to, (unsigned)n);
}

VALUE(write_driver)
{
	(void)r;
	nvmlSystemGetDriverVersion(to, (unsigned)n);
}

VALUE(write_timestamp)
{
	/* Days since 1970 to a date, in years that begin in March. */
	u64 seconds = sys_time() / 1000000000ULL, milliseconds = sys_time() / 1000000ULL % 1000;
	u64 days = seconds / 86400 + 719468, era = days / 146097, of_era = days % 146097;
	u64 year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365, of_year = of_era - (365 * year + year / 4 - year / 100);
	u64 month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;

	(void)r;
	month = month < 10 ? month + 3 : month - 9;
	format(to, n, "%04llu/%02llu/%02llu %02llu:%02llu:%02llu.%03llu", year + era * 400 + (month <= 2), month, day, seconds / 3600 % 24,
	       seconds / 60 % 60, seconds % 60, milliseconds);
}

VALUE(write_count)
{
	unsigned v;

	(void)r;
	if (nvmlDeviceGetCount_v2(&v) == NVML_SUCCESS)
		format(to, n, "%u", v);
}

VALUE(write_bus)
{
	nvmlPciInfo_t v;

	if (nvmlDeviceGetPciInfo_v3(r->device, &v) == NVML_SUCCESS)
		format(to, n, "%s", v.busId);
}

VALUE(write_pci_device)
{
	nvmlPciInfo_t v;

	if (nvmlDeviceGetPciInfo_v3(r->device, &v) == NVML_SUCCESS)
		format(to, n, "0x%08X", v.pciDeviceId);
}

static void write_watts(u32 milliwatts, char *to, size_t n)
{
	format(to, n, "%u.%02u", milliwatts / 1000, milliwatts % 1000 / 10);
}

#define WATTS(name, function) \
	VALUE(name) \
	{ \
		unsigned v; \
		if (function(r->device, &v) == NVML_SUCCESS) \
			write_watts(v, to, n); \
	}

WATTS(write_power, nvmlDeviceGetPowerUsage)
WATTS(write_limit, nvmlDeviceGetPowerManagementLimit)
WATTS(write_enforced, nvmlDeviceGetEnforcedPowerLimit)
WATTS(write_default, nvmlDeviceGetPowerManagementDefaultLimit)

static nvmlReturn_t memory_of(nvmlDevice_t device, nvmlMemory_v2_t *v)
{
	v->version = nvmlMemory_v2;
	return nvmlDeviceGetMemoryInfo_v2(device, v);
}

NUMBER(write_total, nvmlMemory_v2_t, memory_of(r->device, &v), v.total >> 20)
NUMBER(write_used, nvmlMemory_v2_t, memory_of(r->device, &v), v.used >> 20)
NUMBER(write_free, nvmlMemory_v2_t, memory_of(r->device, &v), v.free >> 20)
NUMBER(write_reserved, nvmlMemory_v2_t, memory_of(r->device, &v), v.reserved >> 20)
NUMBER(write_gpu_util, nvmlUtilization_t, nvmlDeviceGetUtilizationRates(r->device, &v), v.gpu)
NUMBER(write_memory_util, nvmlUtilization_t, nvmlDeviceGetUtilizationRates(r->device, &v), v.memory)
NUMBER(write_temperature, unsigned, nvmlDeviceGetTemperature(r->device, NVML_TEMPERATURE_GPU, &v), v)
NUMBER(write_fan, unsigned, nvmlDeviceGetFanSpeed(r->device, &v), v)
NUMBER(write_sm_clock, unsigned, nvmlDeviceGetClockInfo(r->device, NVML_CLOCK_SM, &v), v)
NUMBER(write_graphics_clock, unsigned, nvmlDeviceGetClockInfo(r->device, NVML_CLOCK_GRAPHICS, &v), v)
NUMBER(write_memory_clock, unsigned, nvmlDeviceGetClockInfo(r->device, NVML_CLOCK_MEM, &v), v)
NUMBER(write_max_sm_clock, unsigned, nvmlDeviceGetMaxClockInfo(r->device, NVML_CLOCK_SM, &v), v)
NUMBER(write_max_memory_clock, unsigned, nvmlDeviceGetMaxClockInfo(r->device, NVML_CLOCK_MEM, &v), v)
NUMBER(write_minor, unsigned, nvmlDeviceGetMinorNumber(r->device, &v), v)
NUMBER(write_generation, unsigned, nvmlDeviceGetCurrPcieLinkGeneration(r->device, &v), v)
NUMBER(write_width, unsigned, nvmlDeviceGetCurrPcieLinkWidth(r->device, &v), v)
NUMBER(write_uncorrected, unsigned long long,
       nvmlDeviceGetTotalEccErrors(r->device, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, &v), v)
NUMBER(write_corrected, unsigned long long, nvmlDeviceGetTotalEccErrors(r->device, NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC, &v), v)

VALUE(write_state)
{
	nvmlPstates_t v;

	if (nvmlDeviceGetPerformanceState(r->device, &v) == NVML_SUCCESS)
		format(to, n, "P%d", (int)v);
}

VALUE(write_capability)
{
	int major, minor;

	if (nvmlDeviceGetCudaComputeCapability(r->device, &major, &minor) == NVML_SUCCESS)
		format(to, n, "%d.%d", major, minor);
}

VALUE(write_mig)
{
	unsigned now, pending;

	if (nvmlDeviceGetMigMode(r->device, &now, &pending) == NVML_SUCCESS)
		format(to, n, "%s", now ? "Enabled" : "Disabled");
}

VALUE(write_ecc)
{
	nvmlEnableState_t now, pending;

	if (nvmlDeviceGetEccMode(r->device, &now, &pending) == NVML_SUCCESS)
		format(to, n, "%s", now ? "Enabled" : "Disabled");
}

VALUE(write_persistence)
{
	nvmlEnableState_t v;

	if (nvmlDeviceGetPersistenceMode(r->device, &v) == NVML_SUCCESS)
		format(to, n, "%s", v ? "Enabled" : "Disabled");
}

VALUE(write_compute_mode)
{
	nvmlComputeMode_t v;

	if (nvmlDeviceGetComputeMode(r->device, &v) == NVML_SUCCESS)
		format(to, n, "%s", "Default");
}

static const struct field {
	const char *name, *other, *unit;
	writer *write;
} fields[] = {
	{ "timestamp", "", "", write_timestamp },
	{ "driver_version", "", "", write_driver },
	{ "count", "", "", write_count },
	{ "name", "gpu_name", "", write_name },
	{ "serial", "gpu_serial", "", write_serial },
	{ "uuid", "gpu_uuid", "", write_uuid },
	{ "index", "", "", write_index },
	{ "minor_number", "", "", write_minor },
	{ "pci.bus_id", "gpu_bus_id", "", write_bus },
	{ "pci.device_id", "", "", write_pci_device },
	{ "vbios_version", "", "", write_vbios },
	{ "persistence_mode", "", "", write_persistence },
	{ "compute_mode", "", "", write_compute_mode },
	{ "compute_cap", "", "", write_capability },
	{ "mig.mode.current", "", "", write_mig },
	{ "mig.mode.pending", "", "", write_mig },
	{ "ecc.mode.current", "", "", write_ecc },
	{ "ecc.mode.pending", "", "", write_ecc },
	{ "ecc.errors.uncorrected.volatile.total", "", "", write_uncorrected },
	{ "ecc.errors.corrected.volatile.total", "", "", write_corrected },
	{ "pstate", "", "", write_state },
	{ "pcie.link.gen.current", "", "", write_generation },
	{ "pcie.link.width.current", "", "", write_width },
	{ "fan.speed", "", "%", write_fan },
	{ "memory.total", "", "MiB", write_total },
	{ "memory.used", "", "MiB", write_used },
	{ "memory.free", "", "MiB", write_free },
	{ "memory.reserved", "", "MiB", write_reserved },
	{ "utilization.gpu", "", "%", write_gpu_util },
	{ "utilization.memory", "", "%", write_memory_util },
	{ "temperature.gpu", "", "", write_temperature },
	{ "power.draw", "power.draw.instant", "W", write_power },
	{ "power.limit", "", "W", write_limit },
	{ "enforced.power.limit", "", "W", write_enforced },
	{ "power.default_limit", "", "W", write_default },
	{ "clocks.current.sm", "clocks.sm", "MHz", write_sm_clock },
	{ "clocks.current.graphics", "clocks.gr", "MHz", write_graphics_clock },
	{ "clocks.current.memory", "clocks.mem", "MHz", write_memory_clock },
	{ "clocks.max.sm", "clocks.max.graphics", "MHz", write_max_sm_clock },
	{ "clocks.max.memory", "clocks.max.mem", "MHz", write_max_memory_clock },
};

static void value(const struct row *r, writer *write, char *to, size_t n)
{
	to[0] = 0;
	write(r, to, n);
	if (!to[0])
		format(to, n, "[N/A]");
}

/* ---- what it prints ---- */

struct options {
	const char *id, *query, *layout;
	int list, full;
};

static int chosen(const struct options *o, const struct row *r)
{
	char v[96];
	static writer *const ids[] = { write_index, write_uuid, write_bus, write_serial };

	for (size_t i = 0; o->id != NULL && i < sizeof ids / sizeof *ids; i++) {
		value(r, ids[i], v, sizeof v);
		if (str_equal_fold(v, o->id))
			return 1;
	}
	return o->id == NULL;
}

static unsigned gpus(const struct options *o, struct row *rows)
{
	unsigned count = 0, n = 0;

	nvmlDeviceGetCount_v2(&count);
	for (unsigned i = 0; i < count && n < SIM_GPUS; i++) {
		rows[n].index = i;
		if (nvmlDeviceGetHandleByIndex_v2(i, &rows[n].device) == NVML_SUCCESS && chosen(o, &rows[n]))
			n++;
	}
	if (o->id != NULL && n == 0)
		fail("No GPU has the id \"%s\": expected an index, UUID, PCI bus id or serial number; nvidia-smi -L lists them\n", o->id);
	if (n == 0)
		say("No devices were found\n");
	return n;
}

static void print_list(const struct row *rows, unsigned n)
{
	char name[96], uuid[96];

	for (unsigned i = 0; i < n; i++) {
		nvmlDevice_t part;

		value(&rows[i], write_name, name, sizeof name);
		value(&rows[i], write_uuid, uuid, sizeof uuid);
		say("GPU %u: %s (UUID: %s)\n", rows[i].index, name, uuid);
		for (unsigned p = 0; nvmlDeviceGetMigDeviceHandleByIndex(rows[i].device, p, &part) == NVML_SUCCESS; p++) {
			struct row r = { part, p };
			const char *profile;

			value(&r, write_name, name, sizeof name);
			value(&r, write_uuid, uuid, sizeof uuid);
			profile = strstr(name, "MIG ");
			say("  MIG %-12s Device %2u: (UUID: %s)\n", profile != NULL ? profile + 4 : "", p, uuid);
		}
	}
}

static void print_query(const struct options *o, const struct row *rows, unsigned n)
{
	const struct field *asked[MAX_FIELDS];
	unsigned count = 0, header = 1, units = 1;
	char v[96];

	if (o->layout == NULL || strncmp(o->layout, "csv", 3) != 0)
		fail("--query-gpu needs --format=csv, which may be followed by ,noheader and ,nounits\n");
	for (const char *at = o->layout + 3; *at;) {
		if (strncmp(at, ",noheader", 9) == 0 && (at[9] == 0 || at[9] == ','))
			header = 0, at += 9;
		else if (strncmp(at, ",nounits", 8) == 0 && (at[8] == 0 || at[8] == ','))
			units = 0, at += 8;
		else
			fail("--format=%s: expected csv, then ,noheader or ,nounits or both\n", o->layout);
	}
	for (const char *at = o->query; *at;) {
		char name[96];
		size_t len = 0;

		while (*at == ',' || *at == ' ')
			at++;
		while (at[len] && at[len] != ',' && at[len] != ' ')
			len++;
		if (len == 0)
			break;
		format(name, sizeof name, "%s", at);
		if (len < sizeof name)
			name[len] = 0;
		at += len;
		if (count == MAX_FIELDS)
			fail("--query-gpu: expected at most %d fields\n", MAX_FIELDS);
		asked[count] = NULL;
		for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
			if (strcmp(fields[i].name, name) == 0 || (fields[i].other[0] && strcmp(fields[i].other, name) == 0))
				asked[count] = &fields[i];
		if (asked[count] == NULL)
			fail("Field \"%s\" is not a valid field to query: the simulated nvidia-smi does not know it. nvidia-smi --help-query-gpu lists those that it knows.\n", name);
		count++;
	}
	if (count == 0)
		fail("--query-gpu= names no field; nvidia-smi --help-query-gpu lists them\n");
	for (unsigned i = 0; header && i < count; i++)
		say("%s%s%s%s%s", asked[i]->name, asked[i]->unit[0] ? " [" : "", asked[i]->unit, asked[i]->unit[0] ? "]" : "", i + 1 < count ? ", " : "\n");
	for (unsigned g = 0; g < n; g++) {
		for (unsigned i = 0; i < count; i++) {
			value(&rows[g], asked[i]->write, v, sizeof v);
			say("%s%s%s%s", v, units && asked[i]->unit[0] && v[0] != '[' ? " " : "", units && v[0] != '[' ? asked[i]->unit : "", i + 1 < count ? ", " : "\n");
		}
	}
}

static void line(char edge, const char *kind)
{
	/* Three columns as wide as the original's. */
	say("%c", edge);
	for (int i = 0; i < 89; i++)
		say("%c", i == 41 || i == 66 ? '+' : kind[0]);
	say("%c\n", edge);
}

static void print_table(const struct row *rows, unsigned n)
{
	char driver[64] = "", a[96], b[96], c[96], d[96], e[96];

	nvmlSystemGetDriverVersion(driver, sizeof driver);
	say("%s\n", BANNER);
	say("+-----------------------------------------------------------------------------------------+\n");
	say("| NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %-9s|\n", driver, driver, "12.4");
	line('|', "-");
	say("| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n");
	say("| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |\n");
	say("|                                         |                        |               MIG M. |\n");
	line('|', "=");
	for (unsigned i = 0; i < n; i++) {
		const struct row *r = &rows[i];

		value(r, write_name, a, sizeof a);
		value(r, write_bus, b, sizeof b);
		value(r, write_uncorrected, c, sizeof c);
		say("| %3u  %-29s  On  | %18s Off | %20s |\n", r->index, a, b, c[0] == '[' ? "N/A" : c);
		value(r, write_fan, a, sizeof a);
		value(r, write_temperature, b, sizeof b);
		value(r, write_state, c, sizeof c);
		value(r, write_power, d, sizeof d);
		for (char *p = d; *p; p++)
			if (*p == '.')
				*p = 0;
		value(r, write_limit, e, sizeof e);
		for (char *p = e; *p; p++)
			if (*p == '.')
				*p = 0;
		say("| %3s%s %4s%s   %-4s      %7s%s / %4s%s |", a[0] == '[' ? "N/A" : a, a[0] == '[' ? " " : "%", b[0] == '[' ? "ERR!" : b, b[0] == '[' ? " " : "C",
		    c[0] == '[' ? "?" : c, d[0] == '[' ? "ERR!" : d, d[0] == '[' ? " " : "W", e, "W");
		value(r, write_used, a, sizeof a);
		value(r, write_total, b, sizeof b);
		value(r, write_gpu_util, c, sizeof c);
		say(" %7sMiB / %6sMiB | %6s%s      Default |\n", a, b, c[0] == '[' ? "N/A" : c, c[0] == '[' ? " " : "%");
		value(r, write_mig, a, sizeof a);
		say("|                                         |                        | %20s |\n", a[0] == '[' ? "N/A" : a);
		line('+', "-");
	}
	for (unsigned i = 0; i < n; i++) {
		nvmlDevice_t part;

		for (unsigned p = 0; nvmlDeviceGetMigDeviceHandleByIndex(rows[i].device, p, &part) == NVML_SUCCESS; p++) {
			struct row r = { part, p };
			const char *profile;

			value(&r, write_name, a, sizeof a);
			value(&r, write_used, b, sizeof b);
			value(&r, write_total, c, sizeof c);
			profile = strstr(a, "MIG ");
			say("| GPU %2u  MIG device %2u  %-12s  %7sMiB / %6sMiB %27s |\n", rows[i].index, p, profile != NULL ? profile + 4 : "", b, c, "");
		}
	}
	say("\n+-----------------------------------------------------------------------------------------+\n");
	say("| Processes:                                                                              |\n");
	say("|  No running processes found                                                             |\n");
	say("+-----------------------------------------------------------------------------------------+\n");
}

static void print_full(const struct row *rows, unsigned n)
{
	char v[96];
	unsigned count = 0;

	nvmlDeviceGetCount_v2(&count);
	nvmlSystemGetDriverVersion(v, sizeof v);
	say("%s\n\n==============NVSMI LOG==============\n\n", BANNER);
	write_timestamp(rows, v, sizeof v);
	say("%-52s: %s\n", "Timestamp", v);
	nvmlSystemGetDriverVersion(v, sizeof v);
	say("%-52s: %s\n%-52s: 12.4\n\n%-52s: %u\n", "Driver Version", v, "CUDA Version", "Attached GPUs", count);
	for (unsigned i = 0; i < n; i++) {
		value(&rows[i], write_bus, v, sizeof v);
		say("GPU %s\n", v);
		for (size_t f = 3; f < sizeof fields / sizeof *fields; f++) {
			value(&rows[i], fields[f].write, v, sizeof v);
			say("    %-48s: %s%s%s\n", fields[f].name, v[0] == '[' ? "N/A" : v, v[0] != '[' && fields[f].unit[0] ? " " : "", v[0] != '[' ? fields[f].unit : "");
		}
		say("\n");
	}
}

static const char help[] =
	BANNER "\n\n"
	"nvidia-smi [-i ID] [-L | -q | --query-gpu=FIELD,... --format=csv[,noheader][,nounits]]\n\n"
	"  -L, --list-gpus     one line for each GPU and each part of one\n"
	"  -q, --query         all that is known of each GPU\n"
	"  -i, --id ID         only the GPU of this index, UUID, PCI bus id or serial number\n"
	"  --query-gpu=FIELDS  these values; --help-query-gpu lists them\n"
	"  -h, --help          this\n\n"
	"The original's other options are not there: this stands in for it where GPUs are simulated.\n";

/* argument returns what belongs to an option, behind = or as the next word. */
static const char *argument(char **words, int n, int *at, const char *word, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(word, name, len) == 0 && word[len] == '=')
		return word + len + 1;
	if (strcmp(word, name) != 0)
		return NULL;
	if (*at + 1 >= n)
		fail("%s needs a value; nvidia-smi -h says which\n", name);
	return words[++*at];
}

static int run(int argc, char **argv)
{
	struct options o = { NULL, NULL, NULL, 0, 0 };
	struct row rows[SIM_GPUS];
	nvmlReturn_t ret;
	unsigned n;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *v;

		if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
			say("%s", help);
			return 0;
		}
		if (strcmp(word, "--help-query-gpu") == 0) {
			for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
				say("%s%s%s\n", fields[f].name, fields[f].other[0] ? " or " : "", fields[f].other);
			return 0;
		}
		if (strcmp(word, "-L") == 0 || strcmp(word, "--list-gpus") == 0)
			o.list = 1;
		else if (strcmp(word, "-q") == 0 || strcmp(word, "--query") == 0)
			o.full = 1;
		else if ((v = argument(argv, argc, &i, word, "-i")) != NULL || (v = argument(argv, argc, &i, word, "--id")) != NULL)
			o.id = v;
		else if ((v = argument(argv, argc, &i, word, "--query-gpu")) != NULL)
			o.query = v;
		else if ((v = argument(argv, argc, &i, word, "--format")) != NULL)
			o.layout = v;
		else
			fail("Option \"%s\" is not recognized by the simulated nvidia-smi; nvidia-smi -h lists what it knows.\n", word);
	}
	ret = nvmlInit_v2();
	if (ret == NVML_ERROR_LIB_RM_VERSION_MISMATCH) {
		say("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: %s\n", SIM_DRIVER);
		return ret;
	}
	if (ret != NVML_SUCCESS) {
		say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n");
		return ret;
	}
	n = gpus(&o, rows);
	if (n == 0)
		return NVML_ERROR_NOT_FOUND;
	if (o.list)
		print_list(rows, n);
	else if (o.query != NULL)
		print_query(&o, rows, n);
	else if (o.full)
		print_full(rows, n);
	else
		print_table(rows, n);
	return 0;
}

/* The kernel puts the number of words and the words on the stack. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tb begin\n");
#endif

__attribute__((used)) _Noreturn void begin(long *stack)
{
	int code = run((int)stack[0], (char **)(stack + 1));

	flush();
	sys_exit(code);
}

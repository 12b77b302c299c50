/*
 * The simulated GPUs' libcuda: it is there, so that programs which link it start, and says that there is no GPU which
 * computes. It says so in every function but those that explain.
 */
#include "state.h"
#include "sys.h"

enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1, CUDA_ERROR_NO_DEVICE = 100 };

#define EXPORT __attribute__((visibility("default")))

EXPORT int cuDriverGetVersion(int *version);
EXPORT int cuGetErrorName(int error, const char **name);
EXPORT int cuGetErrorString(int error, const char **text);
EXPORT int cuGetProcAddress(const char *symbol, void **function, int version, u64 flags);
EXPORT int cuGetProcAddress_v2(const char *symbol, void **function, int version, u64 flags, int *status);

int cuDriverGetVersion(int *version)
{
	if (version == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*version = SIM_CUDA;
	return CUDA_SUCCESS;
}

int cuGetErrorName(int error, const char **name)
{
	if (name == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*name = error == CUDA_SUCCESS ? "CUDA_SUCCESS" : error == CUDA_ERROR_INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE" : "CUDA_ERROR_NO_DEVICE";
	return CUDA_SUCCESS;
}

int cuGetErrorString(int error, const char **text)
{
	if (text == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*text = error == CUDA_SUCCESS              ? "no error"
		: error == CUDA_ERROR_INVALID_VALUE ? "invalid argument"
						    : "no CUDA-capable device is detected (this GPU is simulated and computes nothing)";
	return CUDA_SUCCESS;
}

static int no_device(void)
{
	return CUDA_ERROR_NO_DEVICE;
}

int cuGetProcAddress_v2(const char *symbol, void **function, int version, u64 flags, int *status)
{
	static const struct {
		const char *name;
		void *function;
	} known[] = {
		{ "cuDriverGetVersion", (void *)cuDriverGetVersion },
		{ "cuGetErrorName", (void *)cuGetErrorName },
		{ "cuGetErrorString", (void *)cuGetErrorString },
		{ "cuGetProcAddress", (void *)cuGetProcAddress_v2 },
	};

	(void)version;
	(void)flags;
	if (symbol == NULL || function == NULL)
		return CUDA_ERROR_INVALID_VALUE;
	*function = (void *)no_device;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(symbol, known[i].name) == 0)
			*function = known[i].function;
	if (status != NULL)
		*status = 0;
	return CUDA_SUCCESS;
}

int cuGetProcAddress(const char *symbol, void **function, int version, u64 flags)
{
	return cuGetProcAddress_v2(symbol, function, version, flags, NULL);
}

/* The functions that programs link by name. */
#define NO_DEVICE(function) \
	EXPORT int function(void); \
	int function(void) \
	{ \
		return CUDA_ERROR_NO_DEVICE; \
	}

NO_DEVICE(cuInit)
NO_DEVICE(cuDeviceGet)
NO_DEVICE(cuDeviceGetCount)
NO_DEVICE(cuDeviceGetName)
NO_DEVICE(cuDeviceGetUuid)
NO_DEVICE(cuDeviceGetUuid_v2)
NO_DEVICE(cuDeviceTotalMem)
NO_DEVICE(cuDeviceTotalMem_v2)
NO_DEVICE(cuDeviceGetAttribute)
NO_DEVICE(cuDeviceGetByPCIBusId)
NO_DEVICE(cuDeviceGetPCIBusId)
NO_DEVICE(cuDeviceComputeCapability)
NO_DEVICE(cuDeviceGetProperties)
NO_DEVICE(cuDeviceCanAccessPeer)
NO_DEVICE(cuDeviceGetP2PAttribute)
NO_DEVICE(cuDeviceGetDefaultMemPool)
NO_DEVICE(cuDeviceGetMemPool)
NO_DEVICE(cuDeviceSetMemPool)
NO_DEVICE(cuDeviceGetLuid)
NO_DEVICE(cuDevicePrimaryCtxRetain)
NO_DEVICE(cuDevicePrimaryCtxRelease)
NO_DEVICE(cuDevicePrimaryCtxRelease_v2)
NO_DEVICE(cuDevicePrimaryCtxSetFlags)
NO_DEVICE(cuDevicePrimaryCtxSetFlags_v2)
NO_DEVICE(cuDevicePrimaryCtxGetState)
NO_DEVICE(cuDevicePrimaryCtxReset)
NO_DEVICE(cuDevicePrimaryCtxReset_v2)
NO_DEVICE(cuCtxCreate)
NO_DEVICE(cuCtxCreate_v2)
NO_DEVICE(cuCtxCreate_v3)
NO_DEVICE(cuCtxDestroy)
NO_DEVICE(cuCtxDestroy_v2)
NO_DEVICE(cuCtxPushCurrent)
NO_DEVICE(cuCtxPushCurrent_v2)
NO_DEVICE(cuCtxPopCurrent)
NO_DEVICE(cuCtxPopCurrent_v2)
NO_DEVICE(cuCtxSetCurrent)
NO_DEVICE(cuCtxGetCurrent)
NO_DEVICE(cuCtxGetDevice)
NO_DEVICE(cuCtxGetFlags)
NO_DEVICE(cuCtxSynchronize)
NO_DEVICE(cuCtxSetLimit)
NO_DEVICE(cuCtxGetLimit)
NO_DEVICE(cuCtxGetCacheConfig)
NO_DEVICE(cuCtxSetCacheConfig)
NO_DEVICE(cuCtxGetSharedMemConfig)
NO_DEVICE(cuCtxSetSharedMemConfig)
NO_DEVICE(cuCtxGetApiVersion)
NO_DEVICE(cuCtxGetStreamPriorityRange)
NO_DEVICE(cuCtxEnablePeerAccess)
NO_DEVICE(cuCtxDisablePeerAccess)
NO_DEVICE(cuModuleLoad)
NO_DEVICE(cuModuleLoadData)
NO_DEVICE(cuModuleLoadDataEx)
NO_DEVICE(cuModuleLoadFatBinary)
NO_DEVICE(cuModuleUnload)
NO_DEVICE(cuModuleGetFunction)
NO_DEVICE(cuModuleGetGlobal)
NO_DEVICE(cuModuleGetGlobal_v2)
NO_DEVICE(cuModuleGetTexRef)
NO_DEVICE(cuModuleGetLoadingMode)
NO_DEVICE(cuLinkCreate)
NO_DEVICE(cuLinkCreate_v2)
NO_DEVICE(cuLinkAddData)
NO_DEVICE(cuLinkAddData_v2)
NO_DEVICE(cuLinkAddFile)
NO_DEVICE(cuLinkAddFile_v2)
NO_DEVICE(cuLinkComplete)
NO_DEVICE(cuLinkDestroy)
NO_DEVICE(cuLibraryLoadData)
NO_DEVICE(cuLibraryLoadFromFile)
NO_DEVICE(cuLibraryUnload)
NO_DEVICE(cuLibraryGetKernel)
NO_DEVICE(cuLibraryGetModule)
NO_DEVICE(cuKernelGetFunction)
NO_DEVICE(cuMemGetInfo)
NO_DEVICE(cuMemGetInfo_v2)
NO_DEVICE(cuMemAlloc)
NO_DEVICE(cuMemAlloc_v2)
NO_DEVICE(cuMemAllocPitch)
NO_DEVICE(cuMemAllocPitch_v2)
NO_DEVICE(cuMemAllocManaged)
NO_DEVICE(cuMemAllocHost)
NO_DEVICE(cuMemAllocHost_v2)
NO_DEVICE(cuMemAllocAsync)
NO_DEVICE(cuMemAllocFromPoolAsync)
NO_DEVICE(cuMemFree)
NO_DEVICE(cuMemFree_v2)
NO_DEVICE(cuMemFreeAsync)
NO_DEVICE(cuMemFreeHost)
NO_DEVICE(cuMemHostAlloc)
NO_DEVICE(cuMemHostGetDevicePointer)
NO_DEVICE(cuMemHostGetDevicePointer_v2)
NO_DEVICE(cuMemHostGetFlags)
NO_DEVICE(cuMemHostRegister)
NO_DEVICE(cuMemHostRegister_v2)
NO_DEVICE(cuMemHostUnregister)
NO_DEVICE(cuMemGetAddressRange)
NO_DEVICE(cuMemGetAddressRange_v2)
NO_DEVICE(cuMemAddressReserve)
NO_DEVICE(cuMemAddressFree)
NO_DEVICE(cuMemCreate)
NO_DEVICE(cuMemRelease)
NO_DEVICE(cuMemMap)
NO_DEVICE(cuMemUnmap)
NO_DEVICE(cuMemSetAccess)
NO_DEVICE(cuMemGetAllocationGranularity)
NO_DEVICE(cuMemExportToShareableHandle)
NO_DEVICE(cuMemImportFromShareableHandle)
NO_DEVICE(cuMemPoolCreate)
NO_DEVICE(cuMemPoolDestroy)
NO_DEVICE(cuMemPoolSetAttribute)
NO_DEVICE(cuMemPoolGetAttribute)
NO_DEVICE(cuMemPoolTrimTo)
NO_DEVICE(cuMemPrefetchAsync)
NO_DEVICE(cuMemAdvise)
NO_DEVICE(cuMemRangeGetAttribute)
NO_DEVICE(cuMemcpy)
NO_DEVICE(cuMemcpyAsync)
NO_DEVICE(cuMemcpyPeer)
NO_DEVICE(cuMemcpyPeerAsync)
NO_DEVICE(cuMemcpyHtoD)
NO_DEVICE(cuMemcpyHtoD_v2)
NO_DEVICE(cuMemcpyDtoH)
NO_DEVICE(cuMemcpyDtoH_v2)
NO_DEVICE(cuMemcpyDtoD)
NO_DEVICE(cuMemcpyDtoD_v2)
NO_DEVICE(cuMemcpyHtoDAsync)
NO_DEVICE(cuMemcpyHtoDAsync_v2)
NO_DEVICE(cuMemcpyDtoHAsync)
NO_DEVICE(cuMemcpyDtoHAsync_v2)
NO_DEVICE(cuMemcpyDtoDAsync)
NO_DEVICE(cuMemcpyDtoDAsync_v2)
NO_DEVICE(cuMemcpy2D)
NO_DEVICE(cuMemcpy2D_v2)
NO_DEVICE(cuMemcpy2DAsync)
NO_DEVICE(cuMemcpy2DAsync_v2)
NO_DEVICE(cuMemcpy3D)
NO_DEVICE(cuMemcpy3D_v2)
NO_DEVICE(cuMemcpy3DAsync)
NO_DEVICE(cuMemcpy3DAsync_v2)
NO_DEVICE(cuMemsetD8)
NO_DEVICE(cuMemsetD8_v2)
NO_DEVICE(cuMemsetD16)
NO_DEVICE(cuMemsetD16_v2)
NO_DEVICE(cuMemsetD32)
NO_DEVICE(cuMemsetD32_v2)
NO_DEVICE(cuMemsetD8Async)
NO_DEVICE(cuMemsetD16Async)
NO_DEVICE(cuMemsetD32Async)
NO_DEVICE(cuIpcGetEventHandle)
NO_DEVICE(cuIpcOpenEventHandle)
NO_DEVICE(cuIpcGetMemHandle)
NO_DEVICE(cuIpcOpenMemHandle)
NO_DEVICE(cuIpcOpenMemHandle_v2)
NO_DEVICE(cuIpcCloseMemHandle)
NO_DEVICE(cuPointerGetAttribute)
NO_DEVICE(cuPointerGetAttributes)
NO_DEVICE(cuPointerSetAttribute)
NO_DEVICE(cuStreamCreate)
NO_DEVICE(cuStreamCreateWithPriority)
NO_DEVICE(cuStreamDestroy)
NO_DEVICE(cuStreamDestroy_v2)
NO_DEVICE(cuStreamSynchronize)
NO_DEVICE(cuStreamQuery)
NO_DEVICE(cuStreamWaitEvent)
NO_DEVICE(cuStreamAddCallback)
NO_DEVICE(cuStreamGetCtx)
NO_DEVICE(cuStreamGetFlags)
NO_DEVICE(cuStreamGetPriority)
NO_DEVICE(cuStreamBeginCapture)
NO_DEVICE(cuStreamBeginCapture_v2)
NO_DEVICE(cuStreamEndCapture)
NO_DEVICE(cuStreamIsCapturing)
NO_DEVICE(cuStreamWaitValue32)
NO_DEVICE(cuStreamWaitValue32_v2)
NO_DEVICE(cuStreamWriteValue32)
NO_DEVICE(cuStreamWriteValue32_v2)
NO_DEVICE(cuEventCreate)
NO_DEVICE(cuEventDestroy)
NO_DEVICE(cuEventDestroy_v2)
NO_DEVICE(cuEventRecord)
NO_DEVICE(cuEventRecordWithFlags)
NO_DEVICE(cuEventQuery)
NO_DEVICE(cuEventSynchronize)
NO_DEVICE(cuEventElapsedTime)
NO_DEVICE(cuFuncGetAttribute)
NO_DEVICE(cuFuncSetAttribute)
NO_DEVICE(cuFuncSetCacheConfig)
NO_DEVICE(cuFuncSetSharedMemConfig)
NO_DEVICE(cuLaunchKernel)
NO_DEVICE(cuLaunchKernelEx)
NO_DEVICE(cuLaunchCooperativeKernel)
NO_DEVICE(cuLaunchHostFunc)
NO_DEVICE(cuOccupancyMaxActiveBlocksPerMultiprocessor)
NO_DEVICE(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)
NO_DEVICE(cuOccupancyMaxPotentialBlockSize)
NO_DEVICE(cuOccupancyMaxPotentialBlockSizeWithFlags)
NO_DEVICE(cuOccupancyMaxActiveClusters)
NO_DEVICE(cuGraphCreate)
NO_DEVICE(cuGraphDestroy)
NO_DEVICE(cuGraphInstantiate)
NO_DEVICE(cuGraphInstantiateWithFlags)
NO_DEVICE(cuGraphLaunch)
NO_DEVICE(cuGraphExecDestroy)
NO_DEVICE(cuGraphExecUpdate)
NO_DEVICE(cuGraphGetNodes)
NO_DEVICE(cuArrayCreate)
NO_DEVICE(cuArrayCreate_v2)
NO_DEVICE(cuArrayDestroy)
NO_DEVICE(cuArray3DCreate)
NO_DEVICE(cuArray3DCreate_v2)
NO_DEVICE(cuTexObjectCreate)
NO_DEVICE(cuTexObjectDestroy)
NO_DEVICE(cuSurfObjectCreate)
NO_DEVICE(cuSurfObjectDestroy)
NO_DEVICE(cuTensorMapEncodeTiled)
NO_DEVICE(cuProfilerStart)
NO_DEVICE(cuProfilerStop)
NO_DEVICE(cuGetExportTable)

/* Written by `go run ./sim/stubs` from nvml.h of the module go-nvml. */
#include "nvml.inc.h"

WEAK nvmlReturn_t nvmlInit_v2(void) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlInitWithFlags(unsigned int flags) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlShutdown(void) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *cudaDriverVersion) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetHicVersion(unsigned int *hwbcCount, nvmlHwbcEntry_t *hwbcEntries) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetTopologyGpuSet(unsigned int cpuNumber, unsigned int *count, nvmlDevice_t *deviceArray) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetDriverBranch(nvmlSystemDriverBranchInfo_t *branchInfo, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetCount(unsigned int *unitCount) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetHandleByIndex(unsigned int index, nvmlUnit_t *unit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetUnitInfo(nvmlUnit_t unit, nvmlUnitInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetLedState(nvmlUnit_t unit, nvmlLedState_t *state) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetPsuInfo(nvmlUnit_t unit, nvmlPSUInfo_t *psu) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetTemperature(nvmlUnit_t unit, unsigned int type, unsigned int *temp) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetFanSpeedInfo(nvmlUnit_t unit, nvmlUnitFanSpeeds_t *fanSpeeds) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitGetDevices(nvmlUnit_t unit, unsigned int *deviceCount, nvmlDevice_t *devices) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleByUUIDV(const nvmlUUID_t *uuid, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, nvmlBrandType_t *type) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetModuleId(nvmlDevice_t device, unsigned int *moduleId) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetC2cModeInfoV(nvmlDevice_t device, nvmlC2cModeInfo_v1_t *c2cModeInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned int nodeSetSize, unsigned long *nodeSet, nvmlAffinityScope_t scope) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned int cpuSetSize, unsigned long *cpuSet, nvmlAffinityScope_t scope) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int cpuSetSize, unsigned long *cpuSet) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetCpuAffinity(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceClearCpuAffinity(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t device, unsigned int *node) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAddressingMode(nvmlDevice_t device, nvmlDeviceAddressingMode_t *mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRepairStatus(nvmlDevice_t device, nvmlRepairStatus_t *repairStatus) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device1, nvmlDevice_t device2, nvmlGpuTopologyLevel_t *pathInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, nvmlGpuTopologyLevel_t level, unsigned int *count, nvmlDevice_t *deviceArray) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device1, nvmlDevice_t device2, nvmlGpuP2PCapsIndex_t p2pIndex,nvmlGpuP2PStatus_t *p2pStatus) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minorNumber) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char* partNumber, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetInforomVersion(nvmlDevice_t device, nvmlInforomObject_t object, char *version, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetInforomImageVersion(nvmlDevice_t device, char *version, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetInforomConfigurationChecksum(nvmlDevice_t device, unsigned int *checksum) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceValidateInforom(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetLastBBXFlushTime(nvmlDevice_t device, unsigned long long *timestamp, unsigned long *durationUs) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t device, nvmlEnableState_t *display) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, nvmlEnableState_t *isActive) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t *mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t *pci) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *maxLinkGen) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *maxLinkGenDevice) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int *maxLinkWidth) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int *currLinkGen) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int *currLinkWidth) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int *value) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int *value) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpcClkVfOffset(nvmlDevice_t device, int *offset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t device, nvmlClockType_t clockType, unsigned int *clockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t device, nvmlClockType_t clockType, unsigned int *clockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, nvmlClockType_t clockType, nvmlClockId_t clockId, unsigned int *clockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t device, nvmlClockType_t clockType, unsigned int *clockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned int *count, unsigned int *clocksMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned int memoryClockMHz, unsigned int *count, unsigned int *clocksMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAutoBoostedClocksEnabled(nvmlDevice_t device, nvmlEnableState_t *isEnabled, nvmlEnableState_t *defaultIsEnabled) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int *speed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int * speed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFanSpeedRPM(nvmlDevice_t device, nvmlFanSpeedInfo_t *fanSpeed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTargetFanSpeed(nvmlDevice_t device, unsigned int fan, unsigned int *targetSpeed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMinMaxFanSpeed(nvmlDevice_t device, unsigned int * minSpeed, unsigned int * maxSpeed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFanControlPolicy_v2(nvmlDevice_t device, unsigned int fan, nvmlFanControlPolicy_t *policy) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNumFans(nvmlDevice_t device, unsigned int *numFans) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensorType, unsigned int *temp) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCoolerInfo(nvmlDevice_t device, nvmlCoolerInfo_t *coolerInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *temperature) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t thresholdType, unsigned int *temp) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t *marginTempInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetThermalSettings(nvmlDevice_t device, unsigned int sensorIndex, nvmlGpuThermalSettings_t *pThermalSettings) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t *pState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *clocksEventReasons) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *clocksThrottleReasons) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *supportedClocksEventReasons) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device, unsigned long long *supportedClocksThrottleReasons) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t device, nvmlPstates_t *pState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDynamicPstatesInfo(nvmlDevice_t device, nvmlGpuDynamicPstatesInfo_t *pDynamicPstatesInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemClkVfOffset(nvmlDevice_t device, int *offset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMinMaxClockOfPState(nvmlDevice_t device, nvmlClockType_t type, nvmlPstates_t pstate, unsigned int * minClockMHz, unsigned int * maxClockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedPerformanceStates(nvmlDevice_t device, nvmlPstates_t *pstates, unsigned int size) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpcClkMinMaxVfOffset(nvmlDevice_t device, int *minOffset, int *maxOffset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemClkMinMaxVfOffset(nvmlDevice_t device, int *minOffset, int *maxOffset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetClockOffsets(nvmlDevice_t device, nvmlClockOffset_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetClockOffsets(nvmlDevice_t device, nvmlClockOffset_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPerformanceModes(nvmlDevice_t device, nvmlDevicePerfModes_t *perfModes) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCurrentClockFreqs(nvmlDevice_t device, nvmlDeviceCurrentClockFreqs_t *currentClockFreqs) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, nvmlEnableState_t *mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *limit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *minLimit, unsigned int *maxLimit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned int *defaultLimit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerMizerMode_v1(nvmlDevice_t device, nvmlDevicePowerMizerModes_v1_t *powerMizerMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetPowerMizerMode_v1(nvmlDevice_t device, nvmlDevicePowerMizerModes_v1_t *powerMizerMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuOperationMode(nvmlDevice_t device, nvmlGpuOperationMode_t *current, nvmlGpuOperationMode_t *pending) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t *mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDramEncryptionMode(nvmlDevice_t device, nvmlDramEncryptionInfo_t *current, nvmlDramEncryptionInfo_t *pending) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetDramEncryptionMode(nvmlDevice_t device, const nvmlDramEncryptionInfo_t *dramEncryption) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDefaultEccMode(nvmlDevice_t device, nvmlEnableState_t *defaultMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetBoardId(nvmlDevice_t device, unsigned int *boardId) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned int *multiGpuBool) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType, unsigned long long *eccCounts) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDetailedEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType, nvmlEccErrorCounts_t *eccCounts) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType, nvmlMemoryLocation_t locationType, unsigned long long *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *samplingPeriodUs) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetEncoderCapacity(nvmlDevice_t device, nvmlEncoderType_t encoderQueryType, unsigned int *encoderCapacity) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetEncoderStats(nvmlDevice_t device, unsigned int *sessionCount, unsigned int *averageFps, unsigned int *averageLatency) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetEncoderSessions(nvmlDevice_t device, unsigned int *sessionCount, nvmlEncoderSessionInfo_t *sessionInfos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *samplingPeriodUs) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetJpgUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *samplingPeriodUs) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetOfaUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *samplingPeriodUs) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFBCStats(nvmlDevice_t device, nvmlFBCStats_t *fbcStats) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFBCSessions(nvmlDevice_t device, unsigned int *sessionCount, nvmlFBCSessionInfo_t *sessionInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDriverModel_v2(nvmlDevice_t device, nvmlDriverModel_t *current, nvmlDriverModel_t *pending) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetBridgeChipInfo(nvmlDevice_t device, nvmlBridgeChipHierarchy_t *bridgeHierarchy) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device, nvmlProcessDetailList_t *plist) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int *onSameBoard) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAPIRestriction(nvmlDevice_t device, nvmlRestrictedAPI_t apiType, nvmlEnableState_t *isRestricted) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, nvmlSamplingType_t type, unsigned long long lastSeenTimeStamp, nvmlValueType_t *sampleValType, unsigned int *sampleCount, nvmlSample_t *samples) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar1Memory) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetViolationStatus(nvmlDevice_t device, nvmlPerfPolicyType_t perfPolicyType, nvmlViolationTime_t *violTime) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetIrqNum(nvmlDevice_t device, unsigned int *irqNum) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t device, unsigned int *numCores) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPowerSource(nvmlDevice_t device, nvmlPowerSource_t *powerSource) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t device, unsigned int *busWidth) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPcieLinkMaxSpeed(nvmlDevice_t device, unsigned int *maxSpeed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPcieSpeed(nvmlDevice_t device, unsigned int *pcieSpeed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAdaptiveClockInfoStatus(nvmlDevice_t device, unsigned int *adaptiveClockStatus) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetBusType(nvmlDevice_t device, nvmlBusType_t *type) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *gpuFabricInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *gpuFabricInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetConfComputeCapabilities(nvmlConfComputeSystemCaps_t *capabilities) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t *state) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetConfComputeMemSizeInfo(nvmlDevice_t device, nvmlConfComputeMemSizeInfo_t *memInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetConfComputeGpusReadyState(unsigned int *isAcceptingWork) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetConfComputeProtectedMemoryUsage(nvmlDevice_t device, nvmlMemory_t *memory) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetConfComputeGpuCertificate(nvmlDevice_t device, nvmlConfComputeGpuCertificate_t *gpuCert) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetConfComputeGpuAttestationReport(nvmlDevice_t device, nvmlConfComputeGpuAttestationReport_t *gpuAtstReport) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetConfComputeKeyRotationThresholdInfo(nvmlConfComputeGetKeyRotationThresholdInfo_t *pKeyRotationThrInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetConfComputeUnprotectedMemSize(nvmlDevice_t device, unsigned long long sizeKiB) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemSetConfComputeGpusReadyState(unsigned int isAcceptingWork) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemSetConfComputeKeyRotationThresholdInfo(nvmlConfComputeSetKeyRotationThresholdInfo_t *pKeyRotationThrInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetConfComputeSettings(nvmlSystemConfComputeSettings_t *settings) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGspFirmwareMode(nvmlDevice_t device, unsigned int *isEnabled, unsigned int *defaultMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_t *status) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetPowerManagementLimit_v2(nvmlDevice_t device, nvmlPowerValue_v2_t *powerValue) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAccountingMode(nvmlDevice_t device, nvmlEnableState_t *mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAccountingStats(nvmlDevice_t device, unsigned int pid, nvmlAccountingStats_t *stats) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAccountingPids(nvmlDevice_t device, unsigned int *count, unsigned int *pids) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAccountingBufferSize(nvmlDevice_t device, unsigned int *bufferSize) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *pageCount, unsigned long long *addresses) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRetiredPages_v2(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *pageCount, unsigned long long *addresses, unsigned long long *timestamps) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *isPending) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrRows, unsigned int *uncRows, unsigned int *isPending, unsigned int *failureOccurred) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, nvmlDeviceArchitecture_t *arch) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetClkMonStatus(nvmlDevice_t device, nvmlClkMonStatus_t *status) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization, unsigned int *processSamplesCount, unsigned long long lastSeenTimeStamp) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice_t device, nvmlProcessesUtilizationInfo_t *procesesUtilInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPlatformInfo(nvmlDevice_t device, nvmlPlatformInfo_t *platformInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPdi(nvmlDevice_t device, nvmlPdi_t *pdi) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlUnitSetLedState(nvmlUnit_t unit, nvmlLedColor_t color) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetComputeMode(nvmlDevice_t device, nvmlComputeMode_t mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetEccMode(nvmlDevice_t device, nvmlEnableState_t ecc) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceClearEccErrorCounts(nvmlDevice_t device, nvmlEccCounterType_t counterType) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetDriverModel(nvmlDevice_t device, nvmlDriverModel_t driverModel, unsigned int flags) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetGpuLockedClocks(nvmlDevice_t device, unsigned int minGpuClockMHz, unsigned int maxGpuClockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceResetGpuLockedClocks(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetMemoryLockedClocks(nvmlDevice_t device, unsigned int minMemClockMHz, unsigned int maxMemClockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceResetMemoryLockedClocks(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetApplicationsClocks(nvmlDevice_t device, unsigned int memClockMHz, unsigned int graphicsClockMHz) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceResetApplicationsClocks(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetAutoBoostedClocksEnabled(nvmlDevice_t device, nvmlEnableState_t enabled) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetDefaultAutoBoostedClocksEnabled(nvmlDevice_t device, nvmlEnableState_t enabled, unsigned int flags) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetDefaultFanSpeed_v2(nvmlDevice_t device, unsigned int fan) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetFanControlPolicy(nvmlDevice_t device, unsigned int fan, nvmlFanControlPolicy_t policy) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t thresholdType, int *temp) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int limit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetGpuOperationMode(nvmlDevice_t device, nvmlGpuOperationMode_t mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetAPIRestriction(nvmlDevice_t device, nvmlRestrictedAPI_t apiType, nvmlEnableState_t isRestricted) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int speed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetGpcClkVfOffset(nvmlDevice_t device, int offset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetMemClkVfOffset(nvmlDevice_t device, int offset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetAccountingMode(nvmlDevice_t device, nvmlEnableState_t mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceClearAccountingPids(nvmlDevice_t device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, nvmlEnableState_t *isActive) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *version) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned int link, nvmlNvLinkCapability_t capability, unsigned int *capResult) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link, nvmlNvLinkErrorCounter_t counter, unsigned long long *counterValue) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceResetNvLinkErrorCounters(nvmlDevice_t device, unsigned int link) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetNvLinkUtilizationControl(nvmlDevice_t device, unsigned int link, unsigned int counter, nvmlNvLinkUtilizationControl_t *control, unsigned int reset) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkUtilizationControl(nvmlDevice_t device, unsigned int link, unsigned int counter, nvmlNvLinkUtilizationControl_t *control) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkUtilizationCounter(nvmlDevice_t device, unsigned int link, unsigned int counter, unsigned long long *rxcounter, unsigned long long *txcounter) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceFreezeNvLinkUtilizationCounter(nvmlDevice_t device, unsigned int link, unsigned int counter, nvmlEnableState_t freeze) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceResetNvLinkUtilizationCounter(nvmlDevice_t device, unsigned int link, unsigned int counter) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, nvmlIntNvLinkDeviceType_t *pNvLinkDeviceType) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetNvLinkDeviceLowPowerThreshold(nvmlDevice_t device, nvmlNvLinkPowerThres_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemSetNvlinkBwMode(unsigned int nvlinkBwMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemGetNvlinkBwMode(unsigned int *nvlinkBwMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvlinkSupportedBwModes(nvmlDevice_t device, nvmlNvlinkSupportedBwModes_t *supportedBwMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvlinkBwMode(nvmlDevice_t device, nvmlNvlinkGetBwMode_t *getBwMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetNvlinkBwMode(nvmlDevice_t device, nvmlNvlinkSetBwMode_t *setBwMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkInfo(nvmlDevice_t device, nvmlNvLinkInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long eventTypes, nvmlEventSet_t set) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *eventTypes) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t * data, unsigned int timeoutms) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemEventSetCreate(nvmlSystemEventSetCreateRequest_t *request) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemEventSetFree(nvmlSystemEventSetFreeRequest_t *request) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemRegisterEvents(nvmlSystemRegisterEventRequest_t *request) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSystemEventSetWait(nvmlSystemEventSetWaitRequest_t *request) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceModifyDrainState(nvmlPciInfo_t *pciInfo, nvmlEnableState_t newState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceQueryDrainState(nvmlPciInfo_t *pciInfo, nvmlEnableState_t *currentState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceRemoveGpu_v2(nvmlPciInfo_t *pciInfo, nvmlDetachGpuState_t gpuState, nvmlPcieLinkState_t linkState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceDiscoverGpus(nvmlPciInfo_t *pciInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceClearFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, nvmlGpuVirtualizationMode_t *pVirtualMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHostVgpuMode(nvmlDevice_t device, nvmlHostVgpuMode_t *pHostVgpuMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetVirtualizationMode(nvmlDevice_t device, nvmlGpuVirtualizationMode_t virtualMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuHeterogeneousMode(nvmlDevice_t device, nvmlVgpuHeterogeneousMode_t *pHeterogeneousMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetVgpuHeterogeneousMode(nvmlDevice_t device, const nvmlVgpuHeterogeneousMode_t *pHeterogeneousMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetPlacementId(nvmlVgpuInstance_t vgpuInstance, nvmlVgpuPlacementId_t *pPlacement) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuTypeSupportedPlacements(nvmlDevice_t device, nvmlVgpuTypeId_t vgpuTypeId, nvmlVgpuPlacementList_t *pPlacementList) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuTypeCreatablePlacements(nvmlDevice_t device, nvmlVgpuTypeId_t vgpuTypeId, nvmlVgpuPlacementList_t *pPlacementList) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetGspHeapSize(nvmlVgpuTypeId_t vgpuTypeId, unsigned long long *gspHeapSize) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetFbReservation(nvmlVgpuTypeId_t vgpuTypeId, unsigned long long *fbReservation) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetRuntimeStateSize(nvmlVgpuInstance_t vgpuInstance, nvmlVgpuRuntimeState_t *pState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetVgpuCapabilities(nvmlDevice_t device, nvmlDeviceVgpuCapability_t capability, nvmlEnableState_t state) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v4(nvmlDevice_t device, nvmlGridLicensableFeatures_t *pGridLicensableFeatures) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGetVgpuDriverCapabilities(nvmlVgpuDriverCapability_t capability, unsigned int *capResult) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuCapabilities(nvmlDevice_t device, nvmlDeviceVgpuCapability_t capability, unsigned int *capResult) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSupportedVgpus(nvmlDevice_t device, unsigned int *vgpuCount, nvmlVgpuTypeId_t *vgpuTypeIds) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCreatableVgpus(nvmlDevice_t device, unsigned int *vgpuCount, nvmlVgpuTypeId_t *vgpuTypeIds) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetClass(nvmlVgpuTypeId_t vgpuTypeId, char *vgpuTypeClass, unsigned int *size) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetName(nvmlVgpuTypeId_t vgpuTypeId, char *vgpuTypeName, unsigned int *size) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetGpuInstanceProfileId(nvmlVgpuTypeId_t vgpuTypeId, unsigned int *gpuInstanceProfileId) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetDeviceID(nvmlVgpuTypeId_t vgpuTypeId, unsigned long long *deviceID, unsigned long long *subsystemID) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetFramebufferSize(nvmlVgpuTypeId_t vgpuTypeId, unsigned long long *fbSize) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetNumDisplayHeads(nvmlVgpuTypeId_t vgpuTypeId, unsigned int *numDisplayHeads) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetResolution(nvmlVgpuTypeId_t vgpuTypeId, unsigned int displayIndex, unsigned int *xdim, unsigned int *ydim) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetLicense(nvmlVgpuTypeId_t vgpuTypeId, char *vgpuTypeLicenseString, unsigned int size) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetFrameRateLimit(nvmlVgpuTypeId_t vgpuTypeId, unsigned int *frameRateLimit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetMaxInstances(nvmlDevice_t device, nvmlVgpuTypeId_t vgpuTypeId, unsigned int *vgpuInstanceCount) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetMaxInstancesPerVm(nvmlVgpuTypeId_t vgpuTypeId, unsigned int *vgpuInstanceCountPerVm) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetBAR1Info(nvmlVgpuTypeId_t vgpuTypeId, nvmlVgpuTypeBar1Info_t *bar1Info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetActiveVgpus(nvmlDevice_t device, unsigned int *vgpuCount, nvmlVgpuInstance_t *vgpuInstances) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetVmID(nvmlVgpuInstance_t vgpuInstance, char *vmId, unsigned int size, nvmlVgpuVmIdType_t *vmIdType) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetUUID(nvmlVgpuInstance_t vgpuInstance, char *uuid, unsigned int size) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetVmDriverVersion(nvmlVgpuInstance_t vgpuInstance, char* version, unsigned int length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetFbUsage(nvmlVgpuInstance_t vgpuInstance, unsigned long long *fbUsage) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetLicenseStatus(nvmlVgpuInstance_t vgpuInstance, unsigned int *licensed) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetType(nvmlVgpuInstance_t vgpuInstance, nvmlVgpuTypeId_t *vgpuTypeId) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetFrameRateLimit(nvmlVgpuInstance_t vgpuInstance, unsigned int *frameRateLimit) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetEccMode(nvmlVgpuInstance_t vgpuInstance, nvmlEnableState_t *eccMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetEncoderCapacity(nvmlVgpuInstance_t vgpuInstance, unsigned int *encoderCapacity) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceSetEncoderCapacity(nvmlVgpuInstance_t vgpuInstance, unsigned int encoderCapacity) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetEncoderStats(nvmlVgpuInstance_t vgpuInstance, unsigned int *sessionCount, unsigned int *averageFps, unsigned int *averageLatency) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetEncoderSessions(nvmlVgpuInstance_t vgpuInstance, unsigned int *sessionCount, nvmlEncoderSessionInfo_t *sessionInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetFBCStats(nvmlVgpuInstance_t vgpuInstance, nvmlFBCStats_t *fbcStats) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetFBCSessions(nvmlVgpuInstance_t vgpuInstance, unsigned int *sessionCount, nvmlFBCSessionInfo_t *sessionInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetGpuInstanceId(nvmlVgpuInstance_t vgpuInstance, unsigned int *gpuInstanceId) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetGpuPciId(nvmlVgpuInstance_t vgpuInstance, char *vgpuPciId, unsigned int *length) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetCapabilities(nvmlVgpuTypeId_t vgpuTypeId, nvmlVgpuCapability_t capability, unsigned int *capResult) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetMdevUUID(nvmlVgpuInstance_t vgpuInstance, char *mdevUuid, unsigned int size) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetCreatableVgpus(nvmlGpuInstance_t gpuInstance, nvmlVgpuTypeIdInfo_t *pVgpus) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuTypeGetMaxInstancesPerGpuInstance(nvmlVgpuTypeMaxInstance_t *pMaxInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetActiveVgpus(nvmlGpuInstance_t gpuInstance, nvmlActiveVgpuInstanceInfo_t *pVgpuInstanceInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceSetVgpuSchedulerState(nvmlGpuInstance_t gpuInstance, nvmlVgpuSchedulerState_t *pScheduler) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetVgpuSchedulerState(nvmlGpuInstance_t gpuInstance, nvmlVgpuSchedulerStateInfo_t *pSchedulerStateInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetVgpuSchedulerLog(nvmlGpuInstance_t gpuInstance, nvmlVgpuSchedulerLogInfo_t *pSchedulerLogInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetVgpuTypeCreatablePlacements(nvmlGpuInstance_t gpuInstance, nvmlVgpuCreatablePlacementInfo_t *pCreatablePlacementInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetVgpuHeterogeneousMode(nvmlGpuInstance_t gpuInstance, nvmlVgpuHeterogeneousMode_t *pHeterogeneousMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceSetVgpuHeterogeneousMode(nvmlGpuInstance_t gpuInstance, const nvmlVgpuHeterogeneousMode_t *pHeterogeneousMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetMetadata(nvmlVgpuInstance_t vgpuInstance, nvmlVgpuMetadata_t *vgpuMetadata, unsigned int *bufferSize) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuMetadata(nvmlDevice_t device, nvmlVgpuPgpuMetadata_t *pgpuMetadata, unsigned int *bufferSize) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGetVgpuCompatibility(nvmlVgpuMetadata_t *vgpuMetadata, nvmlVgpuPgpuMetadata_t *pgpuMetadata, nvmlVgpuPgpuCompatibility_t *compatibilityInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPgpuMetadataString(nvmlDevice_t device, char *pgpuMetadata, unsigned int *bufferSize) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuSchedulerLog(nvmlDevice_t device, nvmlVgpuSchedulerLog_t *pSchedulerLog) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuSchedulerState(nvmlDevice_t device, nvmlVgpuSchedulerGetState_t *pSchedulerState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuSchedulerCapabilities(nvmlDevice_t device, nvmlVgpuSchedulerCapabilities_t *pCapabilities) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetVgpuSchedulerState(nvmlDevice_t device, nvmlVgpuSchedulerSetState_t *pSchedulerState) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGetVgpuVersion(nvmlVgpuVersion_t *supported, nvmlVgpuVersion_t *current) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlSetVgpuVersion(nvmlVgpuVersion_t *vgpuVersion) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuUtilization(nvmlDevice_t device, unsigned long long lastSeenTimeStamp, nvmlValueType_t *sampleValType, unsigned int *vgpuInstanceSamplesCount, nvmlVgpuInstanceUtilizationSample_t *utilizationSamples) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuInstancesUtilizationInfo(nvmlDevice_t device, nvmlVgpuInstancesUtilizationInfo_t *vgpuUtilInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuProcessUtilization(nvmlDevice_t device, unsigned long long lastSeenTimeStamp, unsigned int *vgpuProcessSamplesCount, nvmlVgpuProcessUtilizationSample_t *utilizationSamples) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetVgpuProcessesUtilizationInfo(nvmlDevice_t device, nvmlVgpuProcessesUtilizationInfo_t *vgpuProcUtilInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetAccountingMode(nvmlVgpuInstance_t vgpuInstance, nvmlEnableState_t *mode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetAccountingPids(nvmlVgpuInstance_t vgpuInstance, unsigned int *count, unsigned int *pids) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetAccountingStats(nvmlVgpuInstance_t vgpuInstance, unsigned int pid, nvmlAccountingStats_t *stats) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceClearAccountingPids(nvmlVgpuInstance_t vgpuInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetLicenseInfo_v2(nvmlVgpuInstance_t vgpuInstance, nvmlVgpuLicenseInfo_t *licenseInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int *deviceCount) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGetExcludedDeviceInfoByIndex(unsigned int index, nvmlExcludedDeviceInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceReadWritePRM_v1(nvmlDevice_t device, nvmlPRMTLV_v1_t *buffer) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activationStatus) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *currentMode, unsigned int *pendingMode) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_v2_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoByIdV(nvmlDevice_t device, unsigned int profileId, nvmlGpuInstanceProfileInfo_v2_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t *placements, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, unsigned int profileId, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t *gpuInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int profileId, const nvmlGpuInstancePlacement_t *placement, nvmlGpuInstance_t *gpuInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t gpuInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t *gpuInstances, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *gpuInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile, nvmlComputeInstanceProfileInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile, nvmlComputeInstanceProfileInfo_v2_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetComputeInstanceRemainingCapacity(nvmlGpuInstance_t gpuInstance, unsigned int profileId, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetComputeInstancePossiblePlacements(nvmlGpuInstance_t gpuInstance, unsigned int profileId, nvmlComputeInstancePlacement_t *placements, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t gpuInstance, unsigned int profileId, nvmlComputeInstance_t *computeInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceCreateComputeInstanceWithPlacement(nvmlGpuInstance_t gpuInstance, unsigned int profileId, const nvmlComputeInstancePlacement_t *placement, nvmlComputeInstance_t *computeInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t computeInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t gpuInstance, unsigned int profileId, nvmlComputeInstance_t *computeInstances, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t gpuInstance, unsigned int id, nvmlComputeInstance_t *computeInstance) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *isMigDevice) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *migDevice) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t migDevice, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *metricsGet) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t gpmSample) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *gpmSample) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t gpmSample) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int gpuInstanceId, nvmlGpmSample_t gpmSample) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *gpmSupport) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmQueryIfStreamingEnabled(nvmlDevice_t device, unsigned int *state) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlGpmSetStreamingEnabled(nvmlDevice_t device, unsigned int state) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCapabilities(nvmlDevice_t device, nvmlDeviceCapabilities_t *caps) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceWorkloadPowerProfileGetProfilesInfo(nvmlDevice_t device, nvmlWorkloadPowerProfileProfilesInfo_t *profilesInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceWorkloadPowerProfileGetCurrentProfiles(nvmlDevice_t device, nvmlWorkloadPowerProfileCurrentProfiles_t *currentProfiles) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceWorkloadPowerProfileSetRequestedProfiles(nvmlDevice_t device, nvmlWorkloadPowerProfileRequestedProfiles_t *requestedProfiles) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceWorkloadPowerProfileClearRequestedProfiles(nvmlDevice_t device, nvmlWorkloadPowerProfileRequestedProfiles_t *requestedProfiles) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDevicePowerSmoothingActivatePresetProfile(nvmlDevice_t device, nvmlPowerSmoothingProfile_t *profile) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDevicePowerSmoothingUpdatePresetProfileParam(nvmlDevice_t device, nvmlPowerSmoothingProfile_t *profile) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDevicePowerSmoothingSetState(nvmlDevice_t device, nvmlPowerSmoothingState_t *state) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(nvmlDevice_t device, nvmlEccSramUniqueUncorrectedErrorCounts_t *errorCounts) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlInit(void) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetCount(unsigned int *deviceCount) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *pciBusId, nvmlDevice_t *device) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGridLicensableFeatures(nvmlDevice_t device, nvmlGridLicensableFeatures_t *pGridLicensableFeatures) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v2(nvmlDevice_t device, nvmlGridLicensableFeatures_t *pGridLicensableFeatures) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v3(nvmlDevice_t device, nvmlGridLicensableFeatures_t *pGridLicensableFeatures) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceRemoveGpu(nvmlPciInfo_t *pciInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t * data, unsigned int timeoutms) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlComputeInstanceGetInfo(nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v1_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v2_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v1_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v2_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v1_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v2_t *infos) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements(nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t *placements, unsigned int *count) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlVgpuInstanceGetLicenseInfo(nvmlVgpuInstance_t vgpuInstance, nvmlVgpuLicenseInfo_t *licenseInfo) { return NVML_ERROR_NOT_SUPPORTED; }
WEAK nvmlReturn_t nvmlDeviceGetDriverModel(nvmlDevice_t device, nvmlDriverModel_t *current, nvmlDriverModel_t *pending) { return NVML_ERROR_NOT_SUPPORTED; }

package wire

// MLflow's limits; lengths count characters unless they say bytes.
const (
	MaxBatchMetrics   = 1000
	MaxBatchParams    = 100
	MaxBatchTags      = 100
	MaxBatchEntities  = 1000
	MaxBatchBytes     = 1_000_000
	MaxBatchDatasets  = 1000
	MaxKey            = 250
	MaxParamValue     = 6000
	MaxTagValue       = 8000
	MaxExperimentName = 500
	MaxExperimentTag  = 20000
	MaxRegistryTag    = 100_000
	MaxDatasetName    = 500
	// MLflow allows 36. A sha256 in hex is 64, and the digest of the bytes is
	// what lineage needs.
	MaxDatasetDigest  = 128
	MaxDatasetSource  = 65535
	MaxDatasetSchema  = 1048575
	MaxDatasetProfile = 16777215
	MaxInputTagKey    = 255
	MaxInputTagValue  = 500
	MaxSearchRuns     = 50000
	MaxExperiments    = 50000
	MaxModels         = 1000
	MaxModelVersions  = 200_000
	MaxLoggedModels   = 50
	MaxHistory        = 25000
	MaxHistoryRuns    = 100
	MaxIntervalPoints = 2500
)

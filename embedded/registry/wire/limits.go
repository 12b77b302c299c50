package wire

// Limits; lengths count characters. They are MLflow's, but for those with a
// comment.
const (
	MaxBatchMetrics  = 1000
	MaxBatchParams   = 100
	MaxBatchTags     = 100
	MaxBatchEntities = 1000
	MaxBatchDatasets = 1000
	MaxKey           = 250
	// MLflow cuts the values of params at 6000 and of tags at 8000, the size of
	// its columns. Its own client keeps lists in tags (of tables that were
	// logged, of models), and a list that is cut is no JSON any more.
	MaxValue          = 1_000_000
	MaxRunName        = 8000
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

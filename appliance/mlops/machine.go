package mlops

// MachineSample is what the machine was doing at one moment.
type MachineSample struct {
	CPU          float64 `json:"cpu"`   // share of all cores in use since the last sample, 0 to 1
	Cores        int     `json:"cores"` // cores that this process may use
	MemoryUsed   uint64  `json:"memory_used_bytes"`
	MemoryTotal  uint64  `json:"memory_total_bytes"`
	DiskUsed     uint64  `json:"disk_used_bytes"` // of the file system that holds the data dir
	DiskTotal    uint64  `json:"disk_total_bytes"`
	ProcessBytes uint64  `json:"process_bytes"` // resident memory of this process, 0 if unknown
}

// Disk is the room on the disk of the data dir.
func (s MachineSample) Disk() DiskSpace {
	return DiskSpace{Free: s.DiskTotal - min(s.DiskUsed, s.DiskTotal), Total: s.DiskTotal}
}

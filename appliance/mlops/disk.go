package mlops

// DiskSpace is the room on the file system of the data dir.
type DiskSpace struct{ Free, Total uint64 }

// A disk is nearly full with less than 5 % or 2 GiB free. On a disk that is
// smaller than 10 GiB, a fifth of it counts instead of the 2 GiB, but not less
// than 512 MiB, which a training needs. It does not depend on when the kubelet
// evicts: a full disk evicts no pods here.
const (
	diskLowShare = 20
	diskLowBytes = 2 << 30
	diskLeast    = 512 << 20
)

// NearlyFull reports whether trainings and uploads are about to fail for lack
// of room. It is what pages, `benchtop status`, doctor and the alert go by.
func (d DiskSpace) NearlyFull() bool {
	return d.Total > 0 && (d.Free <= d.Total/diskLowShare || d.Free <= max(diskLeast, min(diskLowBytes, d.Total/5)))
}

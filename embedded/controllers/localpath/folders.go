package localpath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Any user may write into a volume, as on any K3s: pods choose their users, and
// Kubernetes decides who can mount a claim. On the machine itself only root
// reaches the folders, because their parent is closed.
const (
	volumeMode = 0o777
	parentMode = 0o700
)

// folders are the volumes on disk. All access goes through an os.Root, so a
// link that a pod leaves in its volume leads nowhere.
type folders struct {
	dir  string
	root *os.Root
}

func openFolders(dir string) (*folders, error) {
	if err := os.MkdirAll(dir, parentMode); err != nil {
		return nil, fmt.Errorf("create folder of volumes: %w", err)
	}
	if err := os.Chmod(dir, parentMode); err != nil {
		return nil, fmt.Errorf("close folder of volumes: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder of volumes: %w", err)
	}
	return &folders{dir: dir, root: root}, nil
}

func (f *folders) close() { _ = f.root.Close() }

// create makes a folder and returns its path. It takes one that exists: an
// earlier try made it and could not record the volume.
func (f *folders) create(name string) (string, error) {
	// Namespace and claim are for people; the volume's name alone is unique.
	const nameMax = 255
	name = name[:min(len(name), nameMax)]
	path := filepath.Join(f.dir, name)
	err := f.root.Mkdir(name, volumeMode)
	if errors.Is(err, fs.ErrExist) {
		st, serr := f.root.Lstat(name)
		if serr == nil && !st.IsDir() {
			return "", fmt.Errorf("create folder of the volume: %s is in the way and no folder: remove it", path)
		}
		err = serr
	}
	if err == nil {
		err = f.root.Chmod(name, volumeMode) // Mkdir's mode is narrowed by the umask
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return "", fmt.Errorf("the disk is full, free space on the file system of %s; it is tried again by itself: %w", f.dir, err)
	}
	if err != nil {
		return "", fmt.Errorf("create folder of the volume: %w", err)
	}
	return path, nil
}

// remove deletes the folder at path with its content.
func (f *folders) remove(path string) error {
	name, err := filepath.Rel(f.dir, path)
	if err != nil || name == "." || !filepath.IsLocal(name) {
		return fmt.Errorf("%s does not lie in %s: remove it by hand, then delete the volume", path, f.dir)
	}
	if err := f.root.RemoveAll(name); err != nil {
		return fmt.Errorf("remove folder of the volume: %w", err)
	}
	return nil
}

// widen opens the volumes of versions that had no provisioner of their own.
// These volumes belonged to one group, and so did what the kubelet made for
// subPath.
func (f *folders) widen() error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read folder of volumes: %w", err)
	}
	for _, e := range entries {
		if !f.narrow(e.Name()) {
			continue
		}
		below := []string{}
		err := fs.WalkDir(f.root.FS(), e.Name(), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && f.narrow(name) {
				below = append(below, name)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // its pod is at work
			}
			return err
		})
		// The volume itself comes last: it marks that all is done.
		for i := len(below) - 1; i >= 0 && err == nil; i-- {
			err = f.root.Chmod(below[i], volumeMode)
		}
		if err != nil {
			return fmt.Errorf("open volume %s to all users: %w", e.Name(), err)
		}
	}
	return nil
}

// narrow reports whether a folder has the mode and owners that volumes once
// had.
func (f *folders) narrow(name string) bool {
	const formerGroup = 10001
	st, err := f.root.Lstat(name)
	if err != nil || st.Mode() != fs.ModeDir|fs.ModeSetgid|0o770 {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Uid == 0 && sys.Gid == formerGroup
}

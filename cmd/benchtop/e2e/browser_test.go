//go:build e2e

package e2e

import "testing"

func (s *story) pages(t *testing.T) {}

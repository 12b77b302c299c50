// Package content embeds the guided labs, one in each folder. lab/AUTHORING.md
// says how to write one; lab/engine reads them.
package content

import "embed"

// Labs has a folder for each lab, and the files of this package, which are none.
//
//go:embed all:*
var Labs embed.FS

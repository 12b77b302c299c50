// Package imports holds a test: it parses the imports of every Go file of the
// module and fails, with the reason, where one crosses a border between the
// folders. It links nothing, so it is quick.
package imports

// Package ui is the web UI: pages rendered on the server, kept live by
// server-sent events, usable without a mouse and, but for the charts and
// the live parts, without JavaScript. See DESIGN.md.
package ui

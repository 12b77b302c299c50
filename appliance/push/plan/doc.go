// Package plan decides how code that was pushed is run, from what is in it: it
// unpacks the archive and makes a plan of what it finds. Nothing of it is run
// here, and nobody is asked.
package plan

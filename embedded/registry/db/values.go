package db

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// NewID returns 32 random hex digits.
func NewID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // does not happen: the runtime ends the program first
	}
	return hex.EncodeToString(b[:])
}

// MsOf writes a time in milliseconds since the epoch, and no time as 0.
func MsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// TimeOf takes MsOf back.
func TimeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// OrNull writes an empty text as NULL.
func OrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// KVsOf reads a JSON object that SQLite has aggregated; keys are in the order
// of the table they come from, which is sorted.
func KVsOf(object string) ([]wire.KV, error) {
	if object == "{}" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	var kvs []wire.KV
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read tags: %w", err)
		}
		v, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read tags: %w", err)
		}
		ks, _ := k.(string)
		vs, _ := v.(string)
		kvs = append(kvs, wire.KV{Key: ks, Value: vs})
	}
	return kvs, nil
}

// IDList writes numbers as SQL. They come from the database, never from a user.
func IDList(ids []int64) string {
	b := make([]byte, 0, 8*len(ids))
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(b)
}

// Marks returns "?,?,…" with n question marks.
func Marks(n int) string {
	if n <= 0 {
		return ""
	}
	return strings.Repeat(",?", n)[1:]
}

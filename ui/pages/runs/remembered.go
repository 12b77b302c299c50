package runs

import "sync"

// remembered keeps an answer until its source changes.
type remembered[T any] struct {
	mu      sync.Mutex
	changed <-chan struct{}
	value   T
}

// get returns the answer; it asks anew if the source has changed since. The
// caller has taken changed from the source before the call, so a change while
// ask runs is not missed.
func (r *remembered[T]) get(changed <-chan struct{}, ask func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil && r.changed == changed {
		select {
		case <-changed:
		default:
			return r.value, nil
		}
	}
	value, err := ask()
	if err != nil {
		return value, err
	}
	r.value, r.changed = value, changed
	return value, nil
}

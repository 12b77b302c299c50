package appliance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

	"gopkg.in/natefinch/lumberjack.v2"
)

// logs collects the output of everything in the process in one rotated file.
type logs struct {
	file *lumberjack.Logger
	mu   sync.Mutex
	to   io.Writer // gets what libraries write to standard error
}

// openLogs makes the log file the place where libraries' standard error goes.
// Kubernetes' components write there whatever their log settings say, so
// os.Stderr becomes a pipe; the terminal keeps the original descriptor.
func openLogs(p Paths) (*logs, error) {
	l := &logs{file: &lumberjack.Logger{Filename: p.LogFile(), MaxSize: 32, MaxBackups: 3, Compress: true}}
	l.to = l.file
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open pipe for standard error: %w", err)
	}
	os.Stderr = w
	go func() {
		s := bufio.NewReaderSize(r, 64<<10)
		for {
			line, err := s.ReadSlice('\n')
			l.mu.Lock()
			to := l.to
			l.mu.Unlock()
			_, _ = to.Write(line) // nobody could be told
			if err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	}()
	// A Go runtime crash is written here too; it would otherwise be seen on
	// a terminal or not at all.
	crash, err := os.OpenFile(p.Crash(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open crash file: %w", err)
	}
	defer crash.Close()
	if err := debug.SetCrashOutput(crash, debug.CrashOptions{}); err != nil {
		return nil, fmt.Errorf("set crash output: %w", err)
	}
	return l, nil
}

// capture sends what libraries write to standard error to w, a line at a time,
// instead of the file.
func (l *logs) capture(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = w
}

func (l *logs) Write(p []byte) (int, error) { return l.file.Write(p) }

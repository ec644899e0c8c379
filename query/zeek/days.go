package zeek

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"time"

	"dwell/internal/hunt"
)

// Zeek writes a record when its time is over and rotates its logs by the clock, so a log of a certain day holds no
// connection, and no other record, that began after it. A sensor's folder holds months; with this, a hunt over the last day opens the old
// logs, but does not read them through. The day is taken from the folder's or the file's name, and believed only if
// the file's first record agrees.

// day finds a date in a folder's or file's name: 2024-04-19 or 20240419.
var day = regexp.MustCompile(`(?:^|[^0-9])(\d{4})-?(\d{2})-?(\d{2})(?:[^0-9]|$)`)

// slack is how far a log may reach beyond the day that it is named after: time zones, and rotation that is not daily.
const slack = 3 * 24 * time.Hour

// settleDay notes by when all connections of a file began at the latest, if its place tells.
func (f *logFile) settleDay() {
	f.until = math.MaxInt64
	if !f.has {
		return
	}
	m := day.FindStringSubmatch(filepath.Base(f.path))
	if m == nil {
		m = day.FindStringSubmatch(filepath.Base(filepath.Dir(f.path)))
	}
	if m == nil {
		return
	}
	date, err := time.Parse("20060102", m[1]+m[2]+m[3])
	if err != nil {
		return
	}
	written := time.UnixMilli(f.first.Start + max(f.first.Duration, 0))
	if gap := written.Sub(date); gap < -slack || gap > slack {
		return
	}
	f.until = date.Add(24*time.Hour + slack).UnixMilli()
}

// newest finds what the closed logs in scope span, as far as a window that counts back from the newest connection
// needs it: the logs of the last days first, and others only if they may hold something newer.
func (in *input) newest(ctx context.Context, pass scan) (hunt.Window, error) {
	last := int64(math.MinInt64)
	for _, f := range in.closed {
		if f.until != math.MaxInt64 {
			last = max(last, f.until)
		}
	}
	bound := last
	if last != math.MinInt64 {
		bound -= int64(slack / time.Millisecond)
	}
	for {
		var files []*logFile
		for _, f := range in.closed {
			if !f.tally.read && f.until >= bound {
				files = append(files, f)
			}
		}
		if err := pass.run(ctx, files); err != nil {
			return hunt.Window{}, err
		}
		w := in.span(time.Time{})
		next := int64(math.MinInt64)
		if w != (hunt.Window{}) {
			next = w.End.UnixMilli() - 1
		}
		if next >= bound || bound == math.MinInt64 {
			for _, f := range in.closed {
				if !f.tally.read {
					pass.read.Add(f.size)
				}
			}
			return w, nil
		}
		bound = next
	}
}

// tellUnread says which logs were left unread because of their day.
func (in *input) tellUnread(r *report) {
	var unread []*logFile
	for _, f := range in.closed {
		if !f.tally.read {
			unread = append(unread, f)
		}
	}
	r.unread(unread)
}

// notBefore leaves out files whose records all lie before from, and tells.
func notBefore(from int64, files []*logFile, r *report) (kept []*logFile) {
	var unread []*logFile
	for _, f := range files {
		if f.until < from {
			unread = append(unread, f)
		} else {
			kept = append(kept, f)
		}
	}
	r.unread(unread)
	return kept
}

func (r *report) unread(files []*logFile) {
	if n := len(files); n > 0 {
		r.note(hunt.Note{What: fmt.Sprintf("%s logs of days well before the window, not read: %d, %s among them", files[0].kind, n, files[n-1].path),
			Count: int64(n)})
	}
}

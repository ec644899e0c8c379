package elastic

import (
	"fmt"
	"sync/atomic"

	"dwell/internal/hunt"
	"dwell/query/once"
)

// firstOnly hands a connection on when it comes for the first time: documents are delivered twice, and two sensors see the
// same packets.
type firstOnly struct {
	set *once.Set
	// every is [hunt.Request.EveryRecord]: what two sensors saw counts twice. Without uids, equal records are the same one.
	every bool
	emit  func([]hunt.Connection) error
	came  atomic.Int64
	ended ended
}

func (f *firstOnly) take(batch []hunt.Connection) error {
	n, again := 0, int64(0)
	for _, c := range batch {
		if c.Count > 1 && f.set.Hash(&c) != 0 {
			again += c.Count - 1
			c.Count = 1
		}
		if !f.every && f.set.Again(&c) {
			again += c.Count
			continue
		}
		batch[n] = c
		n++
	}
	f.came.Add(again)
	if n == 0 {
		return nil
	}
	f.ended.add(batch[:n])
	return f.emit(batch[:n])
}

// tell says what came again.
func (f *firstOnly) tell(out *hunt.Reading) {
	again := f.came.Load()
	if again == 0 {
		return
	}
	out.Connections -= again
	out.Notes = append(out.Notes, hunt.Note{Where: out.Source,
		What: fmt.Sprintf("records of connections that came already, and count once: %s of %s", hunt.Count(again), hunt.Count(out.Records)),
		Hint: "documents were delivered twice, or several sensors see the same traffic; `--by-sensor` hunts in each one's alone"})
	if f.set.Forgot() {
		out.Notes = append(out.Notes, hunt.Note{What: fmt.Sprintf("of more than %s connections, those that came twice are known only where both records lie close in time", hunt.Count(int64(2*once.Most)))})
	}
}

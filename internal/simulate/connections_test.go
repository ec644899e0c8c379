package simulate

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

var errStop = errors.New("stop")

// Connections yields the connections of a scenario in the order of conn.log, without writing files. The caller may keep
// the pointer. An invalid scenario yields its problems as the only element.
func Connections(sc Scenario) iter.Seq2[*Connection, error] {
	return func(yield func(*Connection, error) bool) {
		if err := sc.Validate(); err != nil {
			yield(nil, fmt.Errorf("scenario: %w", err))
			return
		}
		e := newEngine(sc)
		e.onlyConnections = true
		e.emit = func(_ Log, _ micros, r record) error {
			if c, ok := r.(*Connection); ok && !yield(c, nil) {
				return errStop
			}
			return nil
		}
		if err := e.run(context.Background()); err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

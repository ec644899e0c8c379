package hunt

import "context"

// Planner is a source that can say what it would read, without reading it: --explain. The sentences are for people.
type Planner interface {
	Plan(ctx context.Context, req Request) ([]string, error)
}

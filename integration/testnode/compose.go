package testnode

import (
	"context"
	"errors"
	"io"
)

func composeWorks(ctx context.Context) bool { return false }

func composeUp(ctx context.Context, line Line, log io.Writer) (*Cluster, error) {
	return nil, errors.New("not yet")
}

package pairs

// queue is a heap: list[0] is the smallest.
type queue[T any] struct {
	list []T
	less func(a, b *T) bool
}

// newQueue makes a heap of a list.
func newQueue[T any](list []T, less func(a, b *T) bool) *queue[T] {
	q := &queue[T]{list, less}
	for i := len(list)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
	return q
}

// fix restores the heap after the first has grown.
func (q *queue[T]) fix() { q.sink(0) }

// drop removes the first.
func (q *queue[T]) drop() {
	last := len(q.list) - 1
	q.list[0] = q.list[last]
	q.list = q.list[:last]
	q.sink(0)
}

func (q *queue[T]) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(q.list); child++ {
			if q.less(&q.list[child], &q.list[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		q.list[i], q.list[least] = q.list[least], q.list[i]
		i = least
	}
}

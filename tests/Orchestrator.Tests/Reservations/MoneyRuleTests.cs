using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using CsCheck;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// The money rule under whatever order, loss, delay and repetition of messages: every step that was sent and not definitely refused is
/// undone, in exact reverse order, before the reservation ends, and nothing is left over. A failure names the seed that repeats it.
/// </summary>
public sealed class MoneyRuleTests
{
    private static readonly string[] Final = [ReservationStates.Confirmed, ReservationStates.Rejected, ReservationStates.Expired, ReservationStates.Cancelled, ReservationStates.Failed];

    // What happens next, and to which of the things it could happen to.
    private static readonly Gen<(int What, int Which)[]> Happenings = Gen.Select(Gen.Int[0, 99], Gen.Int[0, 1000]).Array[20, 200];

    private static readonly Gen<(bool PayAtOnce, bool PaymentRefused, bool ConfirmationRefused, int Points)> Fate =
        Gen.Select(Gen.Bool, Gen.Int[0, 3].Select(one => one == 0), Gen.Int[0, 3].Select(one => one == 0), Gen.Int[0, 3]);

    [Fact]
    public Task Reservations_UnderAnySequenceOfMessages_EndOnceAndLeaveNothingBehind() =>
        Gen.Select(Fate.Array[3], Happenings).SampleAsync(async (fates, happenings) =>
        {
            var story = new Story(fates);
            foreach (var (what, which) in happenings)
                await story.HappenAsync(what, which);
            await story.EndAsync();
            story.Check();
        }, iter: 1000, threads: 1);

    /// <summary>Three people who want overlapping seats, and everything that is under way between the saga and the services.</summary>
    private sealed class Story
    {
        private readonly Machine _machine = new();
        private readonly ModelServices _services;
        private readonly Reservation[] _rows;
        private readonly Dictionary<string, long> _charged = [];
        private readonly List<object> _underWay = [];
        private readonly List<object> _seen = [];
        private readonly List<Sent> _announced = [];
        private readonly HashSet<(Guid, int)> _asked = [];
        private readonly Dictionary<Guid, Stack<string>> _toUndo = [];
        private readonly Dictionary<Guid, List<string>> _undone = [];

        public Story((bool PayAtOnce, bool PaymentRefused, bool ConfirmationRefused, int Points)[] fates)
        {
            // Fewer attempts than the default, so that they are used up often.
            _machine.Options.StepAttempts = 2;
            _rows = [.. fates.Select((fate, i) => new Reservation
            {
                CorrelationId = Guid.CreateVersion7(Machine.Start),
                CurrentState = ReservationStates.Requested,
                UserId = $"user {i}",
                UnpaidUserId = $"user {i}",
                SeatNumbers = [i + 1, i + 2],
                PayImmediately = fate.PayAtOnce,
                Deadline = Machine.Start.AddSeconds(10)
            })];
            _services = new ModelServices(id => fates[Index(id)].PaymentRefused, id => fates[Index(id)].ConfirmationRefused);
            for (var i = 0; i < fates.Length; i++)
            {
                _services.Balances[$"user {i}"] = _charged[$"user {i}"] = fates[i].Points * ModelServices.PricePerSeat;
                _underWay.Add(new RequestReservation(_rows[i].CorrelationId));
                _toUndo[_rows[i].CorrelationId] = new Stack<string>();
                _undone[_rows[i].CorrelationId] = [];
            }
        }

        public async Task HappenAsync(int what, int which)
        {
            var row = _rows[which % _rows.Length];
            switch (what)
            {
                case < 42 when _underWay.Count > 0:
                    await DeliverAsync(which % _underWay.Count);
                    break;
                case < 50 when _underWay.Count > 0:
                    // Lost on its way.
                    _underWay.RemoveAt(which % _underWay.Count);
                    break;
                case < 60 when _seen.Count > 0:
                    // A copy of something that was delivered before, however long ago.
                    _underWay.Add(_seen[which % _seen.Count]);
                    break;
                case < 70:
                    Ask(new PayReservation(row.CorrelationId, row.PaymentAttempt + 1));
                    break;
                case < 71:
                    Ask(new PayReservation(row.CorrelationId, which % 4));
                    break;
                case < 73:
                    _underWay.Add(new CancelReservation(row.CorrelationId, row.Version));
                    break;
                case < 77:
                    _services.Balances[row.UserId] += 150;
                    _charged[row.UserId] += 150;
                    break;
                case < 90:
                    _machine.Clock.Advance(TimeSpan.FromSeconds(which % 20));
                    Sweep();
                    break;
                case < 92:
                    _machine.Clock.Advance(TimeSpan.FromSeconds(which % 300));
                    break;
                default:
                    _underWay.Add(new ReservationDeadlineReached(row.CorrelationId));
                    break;
            }
        }

        /// <summary>From here on nothing is lost, and the sweeper does its work.</summary>
        public async Task EndAsync()
        {
            for (var round = 0; round < 100 && (_underWay.Count > 0 || !_rows.All(row => Final.Contains(row.CurrentState))); round++)
            {
                while (_underWay.Count > 0)
                    await DeliverAsync(0);
                _machine.Clock.Advance(TimeSpan.FromMinutes(3));
                Sweep();
            }
        }

        public void Check()
        {
            foreach (var row in _rows)
            {
                var id = row.CorrelationId;
                var story = string.Join(" ", row.Transitions.Select(one => $"{one.ToState}({one.Trigger})"));
                Assert.True(Final.Contains(row.CurrentState), $"still {row.CurrentState}: {story}");
                Assert.True(row is { Deadline: null, UnpaidUserId: null, StuckSince: null } && row.Outcome == row.CurrentState, story);

                var confirmed = row.CurrentState == ReservationStates.Confirmed;
                Assert.True(confirmed == _services.IsSold(id), $"seats sold: {story}");
                Assert.True(confirmed == _services.IsPaid(id), $"payment: {story}");
                Assert.True(_services.Taken(id) == (confirmed ? row.TotalPrice : 0), $"points taken {_services.Taken(id)}: {story}");
                Assert.Equal(confirmed ? row.SeatNumbers : [], _services.Seats.Where(seat => seat.Value == id).Select(seat => seat.Key).Order());
                Assert.Equal(_charged[row.UserId] - (confirmed ? row.TotalPrice : 0), _services.Balances[row.UserId]);

                // Announced once; a cancellation after a confirmation is the second of two.
                var outcomes = _announced.Select(one => one.Message).Where(one => (Guid)((dynamic)one).ReservationId == id).Select(one => one.GetType().Name).ToArray();
                Assert.Equal(row.ConfirmedAt is not null && !confirmed
                    ? [nameof(ReservationConfirmed), nameof(ReservationCancelled)]
                    : ["Reservation" + row.CurrentState], outcomes);

                // Undone in exact reverse; confirmed seats are released with the hold.
                Assert.Equal(confirmed ? [] : _toUndo[id].Where(step => step != nameof(ConfirmSeats)).Select(UndoOf), _undone[id]);
                Assert.Equal(Enumerable.Range(1, row.Version), row.Transitions.Select(one => one.Sequence));
            }
        }

        private async Task DeliverAsync(int index)
        {
            var message = _underWay[index];
            _underWay.RemoveAt(index);
            _seen.Add(message);
            if (message.GetType().Name is nameof(HoldSeats) or nameof(ConfirmSeats) or nameof(ReleaseSeats) or nameof(DeductPoints) or nameof(RefundPoints)
                or nameof(ConfirmPayment) or nameof(CancelPayment))
            {
                _underWay.Add(_services.Handle(message));
                return;
            }

            var row = _rows[Index((Guid)((dynamic)message).ReservationId)];
            var before = row.CurrentState;
            var sent = await _machine.RaiseAsync(row, message);
            // A refusal that the saga accepted is definite: there is nothing of this step to undo.
            if (message is SeatHoldRejected or PointDeductionRejected or PaymentRejected or SeatConfirmationRejected && row.CurrentState != before)
                _toUndo[row.CorrelationId].Pop();
            foreach (var one in sent)
            {
                if (one.Queue is null)
                    _announced.Add(one);
                else
                    Command(row, one.Message, again: row.CurrentState == before);
            }
        }

        private void Command(Reservation row, object command, bool again)
        {
            _underWay.Add(command);
            if (again)
                return;
            if (command is DeductPoints deduct)
                Assert.True(_asked.Contains((deduct.ReservationId, deduct.Attempt)) || (row.PayImmediately && deduct.Attempt == 1), $"nobody asked for attempt {deduct.Attempt}");
            var name = command.GetType().Name;
            if (name is nameof(CancelPayment) or nameof(RefundPoints) or nameof(ReleaseSeats))
                _undone[row.CorrelationId].Add(name);
            else
                _toUndo[row.CorrelationId].Push(name);
        }

        private void Ask(PayReservation request)
        {
            _asked.Add((request.ReservationId, request.ExpectedAttempt));
            _underWay.Add(request);
        }

        private void Sweep() => _underWay.AddRange(_rows.Where(row => row.Deadline <= _machine.Now).Select(row => new ReservationDeadlineReached(row.CorrelationId)));

        private int Index(Guid id) => Array.FindIndex(_rows, row => row.CorrelationId == id);

        private static string UndoOf(string step) => step switch
        {
            nameof(HoldSeats) => nameof(ReleaseSeats),
            nameof(DeductPoints) => nameof(RefundPoints),
            _ => nameof(CancelPayment)
        };
    }
}

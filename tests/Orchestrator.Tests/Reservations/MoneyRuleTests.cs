using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using CsCheck;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// The money rule holds under any order, loss, delay and repetition of messages: before a reservation ends, the saga compensates each step
/// that was sent and not definitely refused, in exact reverse order. A failure names the seed that repeats it.
/// </summary>
public sealed class MoneyRuleTests
{
    private static readonly string[] Final =
        [ReservationStates.Confirmed, ReservationStates.Rejected, ReservationStates.Expired, ReservationStates.Cancelled,
        ReservationStates.Failed];

    // The kind of the next event, and the index of the row or message it concerns.
    private static readonly Gen<(int Kind, int Index)[]> Events = Gen.Select(Gen.Int[0, 99], Gen.Int[0, 1000]).Array[20, 200];

    private static readonly Gen<(bool PayAtOnce, bool PaymentRefused, bool ConfirmationRefused, int Points)> Fate =
        Gen.Select(Gen.Bool, Gen.Int[0, 3].Select(number => number == 0), Gen.Int[0, 3].Select(number => number == 0), Gen.Int[0, 3]);

    [Fact]
    public Task Reservations_UnderAnySequenceOfMessages_EndOnceFullyCompensated() =>
        Gen.Select(Fate.Array[3], Events).SampleAsync(async (fates, events) =>
        {
            var story = new Story(fates);
            foreach (var (kind, index) in events)
                await story.PlayAsync(kind, index);
            await story.EndAsync();
            story.Check();
        }, iter: 1000, threads: 1);

    /// <summary>Three customers who want overlapping seats, and all messages in flight between the saga and the services.</summary>
    private sealed class Story
    {
        private readonly Machine _machine = new();
        private readonly ModelServices _services;
        private readonly Reservation[] _rows;
        private readonly Dictionary<string, long> _charged = [];
        private readonly List<object> _inFlight = [];
        private readonly List<object> _delivered = [];
        private readonly List<SentMessage> _published = [];
        private readonly HashSet<(Guid, int)> _requested = [];
        private readonly Dictionary<Guid, Stack<string>> _toCompensate = [];
        private readonly Dictionary<Guid, List<string>> _compensated = [];

        public Story((bool PayAtOnce, bool PaymentRefused, bool ConfirmationRefused, int Points)[] fates)
        {
            // Fewer attempts than the default, so steps time out often.
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
                _inFlight.Add(new RequestReservation(_rows[i].CorrelationId));
                _toCompensate[_rows[i].CorrelationId] = new Stack<string>();
                _compensated[_rows[i].CorrelationId] = [];
            }
        }

        public async Task PlayAsync(int kind, int index)
        {
            var row = _rows[index % _rows.Length];
            switch (kind)
            {
                case < 42 when _inFlight.Count > 0:
                    await DeliverAsync(index % _inFlight.Count);
                    break;
                case < 50 when _inFlight.Count > 0:
                    // The message is lost.
                    _inFlight.RemoveAt(index % _inFlight.Count);
                    break;
                case < 60 when _delivered.Count > 0:
                    // A copy of a message that was delivered before.
                    _inFlight.Add(_delivered[index % _delivered.Count]);
                    break;
                case < 70:
                    Request(new PayReservation(row.CorrelationId, row.PaymentAttempt + 1));
                    break;
                case < 71:
                    Request(new PayReservation(row.CorrelationId, index % 4));
                    break;
                case < 73:
                    _inFlight.Add(new CancelReservation(row.CorrelationId, row.Version));
                    break;
                case < 74:
                    _inFlight.Add(Given.Message(nameof(RetryReservation), row));
                    break;
                case < 75:
                    _inFlight.Add(Given.Message(nameof(CancelReservationByOperator), row));
                    break;
                case < 77:
                    _services.Balances[row.UserId] += 150;
                    _charged[row.UserId] += 150;
                    break;
                case < 90:
                    _machine.Clock.Advance(TimeSpan.FromSeconds(index % 20));
                    Sweep();
                    break;
                case < 92:
                    _machine.Clock.Advance(TimeSpan.FromSeconds(index % 300));
                    break;
                default:
                    _inFlight.Add(new ReservationDeadlineReached(row.CorrelationId));
                    break;
            }
        }

        /// <summary>Delivers every message and sweeps until all reservations have ended.</summary>
        public async Task EndAsync()
        {
            for (var round = 0; round < 100 && (_inFlight.Count > 0 || !_rows.All(row => Final.Contains(row.CurrentState))); round++)
            {
                while (_inFlight.Count > 0)
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
                var story = string.Join(" ", row.Transitions.Select(change => $"{change.ToState}({change.Trigger})"));
                Assert.True(Final.Contains(row.CurrentState), $"still {row.CurrentState}: {story}");
                Assert.True(row is { Deadline: null, UnpaidUserId: null, StuckSince: null } && row.Outcome == row.CurrentState, story);

                var confirmed = row.CurrentState == ReservationStates.Confirmed;
                Assert.True(confirmed == _services.IsSold(id), $"seats sold: {story}");
                Assert.True(confirmed == _services.IsPaid(id), $"payment: {story}");
                Assert.True(_services.DeductedFor(id) == (confirmed ? row.TotalPrice : 0),
                    $"points deducted {_services.DeductedFor(id)}: {story}");
                Assert.Equal(confirmed ? row.SeatNumbers
                    : [], _services.Seats.Where(seat => seat.Value == id).Select(seat => seat.Key).Order());
                Assert.Equal(_charged[row.UserId] - (confirmed ? row.TotalPrice : 0), _services.Balances[row.UserId]);

                // Published once; a cancellation after a confirmation is the second of two outcomes.
                var outcomes = _published.Select(item => item.Message).Where(message => (Guid)((dynamic)message).ReservationId == id)
                    .Select(message => message.GetType().Name).ToArray();
                Assert.Equal(row.ConfirmedAt is not null && !confirmed
                    ? [nameof(ReservationConfirmed), nameof(ReservationCancelled)]
                    : ["Reservation" + row.CurrentState], outcomes);

                // Compensated in exact reverse order; ReleaseSeats also compensates ConfirmSeats.
                Assert.Equal(
                    confirmed ? [] : _toCompensate[id].Where(step => step != nameof(ConfirmSeats)).Select(CompensationOf),
                    _compensated[id]);
                Assert.Equal(Enumerable.Range(1, row.Version), row.Transitions.Select(transition => transition.Sequence));
            }
        }

        private async Task DeliverAsync(int index)
        {
            var message = _inFlight[index];
            _inFlight.RemoveAt(index);
            _delivered.Add(message);
            if (message.GetType().Name is nameof(HoldSeats) or nameof(ConfirmSeats) or nameof(ReleaseSeats) or nameof(DeductPoints)
                or nameof(RefundPoints)
                or nameof(ConfirmPayment) or nameof(CancelPayment))
            {
                _inFlight.Add(_services.Handle(message));
                return;
            }

            var row = _rows[Index((Guid)((dynamic)message).ReservationId)];
            var before = row.CurrentState;
            var sent = await _machine.RaiseAsync(row, message);
            // A refusal that the saga accepted is definite, so this step needs no compensation.
            if (message is SeatHoldRejected or PointDeductionRejected or PaymentRejected or SeatConfirmationRejected
                && row.CurrentState != before)
                _toCompensate[row.CorrelationId].Pop();
            foreach (var item in sent)
            {
                if (item.Queue is null)
                    _published.Add(item);
                else
                    Command(row, item.Message, isResent: row.CurrentState == before);
            }
        }

        private void Command(Reservation row, object command, bool isResent)
        {
            _inFlight.Add(command);
            if (isResent)
                return;
            if (command is DeductPoints deduct)
                Assert.True(_requested.Contains((deduct.ReservationId, deduct.Attempt))
                    || (row.PayImmediately && deduct.Attempt == 1), $"no call requested attempt {deduct.Attempt}");
            var name = command.GetType().Name;
            if (name is nameof(CancelPayment) or nameof(RefundPoints) or nameof(ReleaseSeats))
                _compensated[row.CorrelationId].Add(name);
            else
                _toCompensate[row.CorrelationId].Push(name);
        }

        private void Request(PayReservation request)
        {
            _requested.Add((request.ReservationId, request.ExpectedAttempt));
            _inFlight.Add(request);
        }

        private void Sweep() =>
            _inFlight.AddRange(_rows.Where(row => row.Deadline <= _machine.Now)
                .Select(row => new ReservationDeadlineReached(row.CorrelationId)));

        private int Index(Guid id) => Array.FindIndex(_rows, row => row.CorrelationId == id);

        private static string CompensationOf(string step) => step switch
        {
            nameof(HoldSeats) => nameof(ReleaseSeats),
            nameof(DeductPoints) => nameof(RefundPoints),
            _ => nameof(CancelPayment)
        };
    }
}

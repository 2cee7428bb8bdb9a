using System.Text.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Operations;

/// <summary>The actions of operators on reservations, and how they meet those of customers.</summary>
public sealed class ReservationOperatorEndpointsTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private const string Valid = """{"reason":"The customer called."}""", Unknown = "/0197b1d0-0000-7000-8000-000000000001";

    private readonly User _user = host.User();
    private readonly Operator _operator = new(host);

    public static TheoryData<string> States => [.. ReservationStates.All];

    private string[] Commands => [.. _user.Script.Commands.Select(command => command.GetType().Name)];

    [Theory]
    [InlineData("GET", "", null, null, 403, "FORBIDDEN")]
    [InlineData("GET", "", null, "opsy", 403, "FORBIDDEN")]
    [InlineData("POST", Unknown + "/retry", Valid, "customer", 403, "FORBIDDEN")]
    [InlineData("POST", Unknown + "/cancel", Valid, null, 403, "FORBIDDEN")]
    [InlineData("GET", "?state=Paying", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?state=Confirmed,Failed", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?state=6", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?status=Requested", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?concertId=x", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?seat=7", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?seat=7&concertId=3", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?stuck=maybe", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?userId=a%00b", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?createdFrom=yesterday", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?sort=price", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?format=xml", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?limit=0", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?limit=201", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("GET", "?cursor=x", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("POST", Unknown + "/retry", Valid, "ops", 404, "RESERVATION_NOT_FOUND")]
    [InlineData("POST", Unknown + "/cancel", Valid, "ops", 404, "RESERVATION_NOT_FOUND")]
    [InlineData("POST", Unknown + "/cancel?force=true", Valid, "ops", 400, "UNKNOWN_PARAMETER")]
    [InlineData("POST", Unknown + "/cancel", null, "ops", 400, "BAD_REQUEST")]
    [InlineData("POST", Unknown + "/cancel", """{"reason":"x","force":true}""", "ops", 400, "UNKNOWN_MEMBER")]
    [InlineData("POST", Unknown + "/cancel", """{"reason":5}""", "ops", 400, "BAD_REQUEST")]
    [InlineData("POST", Unknown + "/cancel", "{}", "ops", 422, "INVALID_REASON")]
    [InlineData("POST", Unknown + "/retry", """{"reason":" \u200b"}""", "ops", 422, "INVALID_REASON")]
    [InlineData("POST", Unknown + "/retry", """{"reason":"a\u0007b"}""", "ops", 422, "UNPROCESSABLE")]
    public async Task Request_ThatIsInvalid_IsRefused(string method, string below, string? body, string? roles, int status, string code) =>
        (await new Operator(host, roles).SendAsync(new HttpMethod(method), below, body, null)).Is(status, code);

    [Theory]
    [InlineData(500, 404)]
    [InlineData(501, 422)]
    public async Task Reason_AtItsMaximumLength_IsAccepted(int length, int status) => Assert.Equal(status, (await _operator.SendAsync(
        HttpMethod.Post, Unknown + "/cancel", JsonSerializer.Serialize(new { reason = new string('r', length) }), null)).Status);

    /// <summary>In every state, a handled action and a refused one leave their row, with the state before and after.</summary>
    [Theory]
    [MemberData(nameof(States))]
    public async Task Action_InAnyState_LeavesItsRow(string state)
    {
        foreach (var (message, act) in new (string, Func<Guid, Task<Answer>>)[]
        {
            (nameof(RetryReservation), id => _operator.RetryAsync(id, "respond-async")),
            (nameof(CancelReservationByOperator), id => _operator.CancelAsync(id, "respond-async"))
        })
        {
            var row = await AddAsync(Given.In(state));
            var isHandled = StateMachineMatrix.Cells[(state, message)] == 'H';

            var answer = await act(row.CorrelationId);
            var action = await _operator.UntilHandledAsync(row.CorrelationId);

            Assert.Contains(answer.Status, new[] { 200, 202, 409 });
            Assert.Equal((Operator.Id, Operator.Reason), (action.Operator, action.Reason));
            Assert.Equal(isHandled ? null : message == nameof(RetryReservation) ? "RESERVATION_NOT_RETRYABLE"
                : "RESERVATION_NOT_CANCELLABLE", action.Refusal);
            Assert.Equal(isHandled, action.Before != action.After);
            Assert.Equal(isHandled ? 1 : 0, (await host.HistoryAsync(row.CorrelationId)).Count(step => step.MessageId == action.ActionId));
            if (!isHandled)
                (await (message == nameof(RetryReservation) ? _operator.RetryAsync(row.CorrelationId)
                    : _operator.CancelAsync(row.CorrelationId))).Is(409, action.Refusal);
        }
    }

    [Theory]
    [InlineData(ReservationStates.CancellingPayment)]
    [InlineData(ReservationStates.RefundingPoints)]
    [InlineData(ReservationStates.ReleasingSeats)]
    public async Task Cancel_WhileItIsBeingCancelled_JoinsThat(string state)
    {
        var row = Given.In(state);
        (row.Outcome, row.FailureCode) = (ReservationStates.Cancelled, null);
        await AddAsync(row);

        (await _operator.CancelAsync(row.CorrelationId, "respond-async")).Is(202);

        var action = await _operator.UntilHandledAsync(row.CorrelationId);
        Assert.Equal((null, action.Before), (action.Refusal, action.After));
        Assert.Equal(4, (await host.RowAsync(row.CorrelationId)).Version);
    }

    [Fact]
    public async Task Retry_OfAnUnansweredStep_EndsTheReservation()
    {
        var id = await PayUntilAsync(nameof(ConfirmSeats), script => script.ConfirmSeats = _ => null);
        var before = await host.RowAsync(id);
        _user.Script.ConfirmSeats = new Script().ConfirmSeats;

        var answer = (await _operator.RetryAsync(id)).Is(200);

        Assert.Equal(id, answer.Body.GetProperty("reservation").GetProperty("reservationId").GetGuid());
        await host.UntilItEndsAsync(id, ReservationStates.Confirmed);
        Assert.Equal(2, Commands.Count(command => command == nameof(ConfirmSeats)));
        var details = await _operator.DetailsAsync(id);
        var resent = details.GetProperty("transitions").EnumerateArray().Single(row => row.GetProperty("operator").GetString() is not null);
        Assert.Equal(("OperatorRetryRequested", "Resent by an operator.", Operator.Id, Operator.Reason), (Text(resent, "trigger"),
            Text(resent, "detail"), Text(resent, "operator"), Text(resent, "reason")));
        Assert.Equal(answer.Body.GetProperty("actionId").GetGuid(), resent.GetProperty("messageId").GetGuid());
        Assert.True(resent.GetProperty("durationMilliseconds").GetInt64() >= 0);
        Assert.Equal(JsonValueKind.Null, details.GetProperty("transitions").EnumerateArray().Last().GetProperty("durationMilliseconds")
            .ValueKind);
        Assert.Equal("Retry", Text(Assert.Single(details.GetProperty("actions").EnumerateArray()), "action"));
        Assert.Empty(details.GetProperty("reservation").GetProperty("remainingSteps").EnumerateArray());
        Assert.Equal(1, before.StepAttempts);
    }

    [Fact]
    public async Task Cancel_OfAnUnansweredStep_CompensatesInReverse()
    {
        var id = await PayUntilAsync(nameof(ConfirmSeats), script => script.ConfirmSeats = _ => null);

        (await _operator.CancelAsync(id)).Is(200);

        Assert.Equal(["HoldSeats", "DeductPoints", "ConfirmPayment", "ConfirmSeats", "CancelPayment", "RefundPoints", "ReleaseSeats"],
            Commands);
        var shown = (await _user.GetAsync(id)).Is(200).Has("Cancelled");
        Assert.Equal("CANCELLED_BY_OPERATOR", Text(shown.Body.GetProperty("failure"), "code"));
    }

    [Fact]
    public async Task Cancel_AfterTheCutOff_IsForOperatorsOnly()
    {
        await using var late = await OrchestratorHost.StartAsync("--Reservation:CancellationCutoff=365.00:00:00");
        var user = late.User();
        var id = await user.HoldAsync();
        (await user.PayAsync(id)).Is(200).Has("Confirmed");
        (await user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE");

        (await new Operator(late).CancelAsync(id)).Is(200);

        (await user.GetAsync(id)).Has("Cancelled");
        (await new Operator(late).CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE");
        Assert.Equal(2, (await new Operator(late).ActionsAsync(id)).Count);
    }

    /// <summary>A copy with another message id passes the inbox, as one does that comes after the inbox has forgotten the first.</summary>
    [Fact]
    public async Task Copy_OfAnAction_ChangesNothing()
    {
        var id = await PayUntilAsync(nameof(ConfirmSeats), script => script.ConfirmSeats = _ => null);
        var retry = new RetryReservation(id, Guid.CreateVersion7(), Operator.Id, Operator.Reason);
        await host.HandleAsync(retry);
        var version = (await host.RowAsync(id)).Version;

        await host.HandleAsync(retry);
        await host.HandleAsync(new CancelReservationByOperator(id, retry.ActionId, Operator.Id, Operator.Reason));

        Assert.Equal(version, (await host.RowAsync(id)).Version);
        Assert.Single(await _operator.ActionsAsync(id));
        Assert.Equal(2, Commands.Count(command => command == nameof(ConfirmSeats)));
    }

    /// <summary>If either the row of the action or that of the reservation cannot be written, neither is.</summary>
    [Theory]
    [InlineData("INSERT ON \"OperatorActions\"")]
    [InlineData("UPDATE ON \"Reservations\"")]
    public async Task Action_ThatFailsToCommit_LeavesNeitherRowNorChange(string write)
    {
        await using var sick = await OrchestratorHost.StartAsync();
        var (user, operators) = (sick.User(), new Operator(sick));
        var id = await user.HoldAsync();
        var version = (await sick.RowAsync(id)).Version;
        var faults = new Faults();
        using var observed = sick.Bus.ConnectConsumeObserver(faults);
        await ExecuteAsync(sick, $"CREATE TRIGGER sick BEFORE {write} BEGIN SELECT RAISE(ABORT, 'sick'); END");

        (await operators.CancelAsync(id, "respond-async")).Is(202);
        await faults.First.WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal(version, (await sick.RowAsync(id)).Version);
        Assert.Empty(await operators.ActionsAsync(id));
        Assert.Equal(["HoldSeats"], user.Script.Commands.Select(command => command.GetType().Name));

        await ExecuteAsync(sick, "DROP TRIGGER sick");
        await sick.AdvanceUntilAsync(async () => (await operators.CancelAsync(id, "respond-async")).Status is 200 or 202 or 409
            && (await sick.RowAsync(id)).CurrentState == ReservationStates.Cancelled, "it is cancelled");
        Assert.Single(await operators.ActionsAsync(id), action => action.Before != action.After);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancel_ByCustomerAndOperator_CompensatesOnce(bool isCustomerFirst)
    {
        var id = await _user.HoldAsync();
        _user.Script.Release = _ => null;

        var first = isCustomerFirst ? await _user.CancelAsync(id, "respond-async") : await _operator.CancelAsync(id, "respond-async");
        await Testing.Eventually.TrueAsync(() => Commands.Contains(nameof(ReleaseSeats)), TimeSpan.FromSeconds(60), "it is released");
        var second = isCustomerFirst ? _operator.CancelAsync(id) : _user.CancelAsync(id);
        if (isCustomerFirst)
            await _operator.UntilHandledAsync(id);
        await host.Bus.Publish(new SeatsReleased(id, 1));

        Assert.Equal(202, first.Status);
        (await second).Is(200);
        Assert.Equal(["HoldSeats", "ReleaseSeats"], Commands);
        Assert.Equal(ReservationStates.Cancelled, (await host.RowAsync(id)).CurrentState);
    }

    [Fact]
    public async Task Cancel_DuringAPayment_RefundsIt()
    {
        var id = await PayUntilAsync("DeductPoints", script => script.Deduct = _ => null);

        (await _operator.CancelAsync(id)).Is(200);

        Assert.Equal(["HoldSeats", "DeductPoints", "RefundPoints", "ReleaseSeats"], Commands);
        (await _user.PayAsync(id)).Is(409, "RESERVATION_NOT_PAYABLE").Has("Cancelled");
    }

    [Fact]
    public async Task Cancel_BeforeAPayment_LeavesNothingToPay()
    {
        var id = await _user.HoldAsync();
        var attempt = (await host.RowAsync(id)).PaymentAttempt;
        (await _operator.CancelAsync(id)).Is(200);

        // The request was sent before the customer could learn of the cancellation.
        await host.HandleAsync(new PayReservation(id, attempt + 1));
        (await _user.PayAsync(id)).Is(409, "RESERVATION_NOT_PAYABLE").Has("Cancelled");

        Assert.Equal(["HoldSeats", "ReleaseSeats"], Commands);
    }

    [Fact]
    public async Task Calls_OfManyAtOnce_EndInOneCancellation()
    {
        var id = await _user.HoldAsync();

        var calls = await Task.WhenAll(Enumerable.Range(0, 12).Select(number => (number % 3) switch
        {
            0 => _operator.CancelAsync(id),
            1 => _user.CancelAsync(id),
            _ => _user.PayAsync(id)
        }));

        Assert.All(calls, call => Assert.Contains(call.Status, new[] { 200, 409 }));
        Assert.Equal(ReservationStates.Cancelled, (await host.RowAsync(id)).CurrentState);
        foreach (var (step, compensation) in new[] { ("DeductPoints", "RefundPoints"), ("ConfirmPayment", "CancelPayment"),
            ("HoldSeats", "ReleaseSeats") })
            Assert.Equal(Commands.Count(command => command == step), Commands.Count(command => command == compensation));
        var actions = await _operator.ActionsAsync(id);
        Assert.Equal(4, actions.Count);
        // None, if the customer cancelled first.
        Assert.True(actions.Count(action => action.Before != action.After) <= 1);
    }

    private static string? Text(JsonElement element, string member) => element.GetProperty(member).GetString();

    private static Task<int> ExecuteAsync(OrchestratorHost host, string sql) =>
        host.DatabaseAsync(database => database.Database.ExecuteSqlRawAsync(sql));

    private async Task<Guid> PayUntilAsync(string command, Action<Script> silence)
    {
        silence(_user.Script);
        var id = await _user.HoldAsync();
        (await _user.PayAsync(id, "wait=0")).Is(202);
        await Testing.Eventually.TrueAsync(() => Commands.Contains(command), TimeSpan.FromSeconds(60), $"{command} is sent");
        return id;
    }

    private async Task<Reservation> AddAsync(Reservation row)
    {
        (row.UserId, row.IdempotencyKey) = (_user.Id, Guid.CreateVersion7());
        row.UnpaidUserId = row.UnpaidUserId is null ? null : $"{row.CorrelationId}";
        await host.DatabaseAsync(database =>
        {
            database.Add(row);
            return database.SaveChangesAsync();
        });
        return row;
    }

    private sealed class Faults : IConsumeObserver
    {
        private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task First => _first.Task;

        public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception)
            where T : class
        {
            if (context.Message is CancelReservationByOperator)
                _first.TrySetResult();
            return Task.CompletedTask;
        }

        public Task PreConsume<T>(ConsumeContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostConsume<T>(ConsumeContext<T> context)
            where T : class => Task.CompletedTask;
    }
}

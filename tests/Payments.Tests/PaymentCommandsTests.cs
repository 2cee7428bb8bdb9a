using System.Net;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Payments.Tests;

public sealed class PaymentCommandsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task ConfirmPayment_Copies_ConfirmOnce(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var command = Confirm();

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => service.AskAsync(CommandQueues.ConfirmPayment, command)));

        var payment = await PaymentAsync(service, command.ReservationId);
        Assert.All(replies, reply => Assert.Equal(new PaymentConfirmed(command.ReservationId, 1, payment.PaymentId), reply));
        Assert.Equal((PaymentStatus.Confirmed, "mina", 2_000L), (payment.Status, payment.UserId, payment.Amount));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task CancelPayment_Copies_CancelOnceAndForGood(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var command = Confirm();
        await service.AskAsync(CommandQueues.ConfirmPayment, command);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => CancelAsync(service, command)));

        Assert.All(replies, reply => Assert.Equal(new PaymentCancelled(command.ReservationId, 1), reply));
        Assert.Equal(PaymentStatus.Cancelled, (await PaymentAsync(service, command.ReservationId)).Status);
        Assert.Equal(new PaymentRejected(command.ReservationId, 1, "PAYMENT_CANCELLED"), await service.AskAsync(CommandQueues.ConfirmPayment, command));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task CancelPayment_BeforeTheConfirmation_RefusesIt(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var command = Confirm();

        Assert.Equal(new PaymentCancelled(command.ReservationId, 1), await CancelAsync(service, command));

        Assert.Equal(new PaymentRejected(command.ReservationId, 1, "PAYMENT_CANCELLED"), await service.AskAsync(CommandQueues.ConfirmPayment, command));
        Assert.Equal(0, (await PaymentAsync(service, command.ReservationId)).Amount);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task CancelPayment_RacingTheConfirmation_LeavesNothingConfirmed(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var commands = Enumerable.Range(0, 30).Select(_ => Confirm()).ToList();

        await Task.WhenAll(commands.SelectMany(command => new[]
        {
            service.AskAsync(CommandQueues.ConfirmPayment, command), CancelAsync(service, command), service.AskAsync(CommandQueues.ConfirmPayment, command)
        }));

        foreach (var command in commands)
            Assert.Equal(PaymentStatus.Cancelled, (await PaymentAsync(service, command.ReservationId)).Status);
    }

    [Fact]
    public async Task ConfirmPayment_FaultAskedFor_IsRefusedForGood()
    {
        await using var service = await StartAsync(DatabaseProvider.Sqlite, ("Faults:Enabled", "true"), ("Faults:ConfirmPayment:RejectRate", "1"));
        var command = Confirm();

        Assert.Equal(new PaymentRejected(command.ReservationId, 1, "PAYMENT_REJECTED"), await service.AskAsync(CommandQueues.ConfirmPayment, command));
        Assert.Equal(PaymentStatus.Refused, (await PaymentAsync(service, command.ReservationId)).Status);
    }

    [Fact]
    public async Task AnyRoute_WithoutTheSecret_Is404ButForHealth()
    {
        await using var service = await StartAsync(DatabaseProvider.Sqlite);

        Assert.Equal(HttpStatusCode.NotFound, (await service.Stranger.GetAsync("/metrics")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await service.Stranger.GetAsync("/health/ready")).StatusCode);
        using var gateway = service.ClientOf("mina");
        Assert.Equal(HttpStatusCode.OK, (await gateway.GetAsync("/metrics")).StatusCode);
    }

    private async Task<RunningService> StartAsync(DatabaseProvider provider, params (string Key, string Value)[] settings) =>
        await RunningService.StartAsync(
            "Payments", await TestDatabase.CreateAsync(provider, server), TimeProvider.System,
            builder => builder.AddPayments(), bus => bus.AddPaymentsConsumers(), app => app.MapPayments(), settings);

    private static ConfirmPayment Confirm() => new(Guid.CreateVersion7(), 1, "mina", 2_000);

    private static Task<object> CancelAsync(RunningService service, ConfirmPayment command) =>
        service.AskAsync(CommandQueues.CancelPayment, new CancelPayment(command.ReservationId, 1));

    private static Task<Payment> PaymentAsync(RunningService service, Guid reservationId) => service.WithAsync<PaymentsDbContext, Payment>(database =>
        database.Payments.AsNoTracking().SingleAsync(payment => payment.ReservationId == reservationId));
}

using System.Net;
using System.Net.Http.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Payments.Tests.Consumers;

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
    public async Task CancelPayment_Copies_CancelOnceAndPermanently(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var command = Confirm();
        await service.AskAsync(CommandQueues.ConfirmPayment, command);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => CancelAsync(service, command)));

        Assert.All(replies, reply => Assert.Equal(new PaymentCancelled(command.ReservationId, 1), reply));
        Assert.Equal(PaymentStatus.Cancelled, (await PaymentAsync(service, command.ReservationId)).Status);
        Assert.Equal(new PaymentRejected(command.ReservationId, 1, "PAYMENT_CANCELLED"),
            await service.AskAsync(CommandQueues.ConfirmPayment, command));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ReservationsDeleted_OfSome_DeletesTheirPayments(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var (deleted, kept) = (Confirm(), Confirm());
        await service.AskAsync(CommandQueues.ConfirmPayment, deleted);
        await service.AskAsync(CommandQueues.ConfirmPayment, kept);

        await service.WithAsync<IBus, bool>(async bus =>
        {
            await bus.Publish(new ReservationsDeleted([deleted.ReservationId]));
            return true;
        });

        await Eventually.TrueAsync(
            async () => await service.WithAsync<PaymentsDbContext, int>(database => database.Payments.CountAsync()) == 1,
            TimeSpan.FromSeconds(60), "the payment is deleted");
        Assert.Equal(PaymentStatus.Confirmed, (await PaymentAsync(service, kept.ReservationId)).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task CancelPayment_BeforeTheConfirmation_RefusesIt(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var command = Confirm();

        Assert.Equal(new PaymentCancelled(command.ReservationId, 1), await CancelAsync(service, command));

        Assert.Equal(new PaymentRejected(command.ReservationId, 1, "PAYMENT_CANCELLED"),
            await service.AskAsync(CommandQueues.ConfirmPayment, command));
        Assert.Equal(0, (await PaymentAsync(service, command.ReservationId)).Amount);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task CancelPayment_RacingTheConfirmation_LeavesNothingConfirmed(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var commands = Enumerable.Range(0, 30).Select(_ => Confirm()).ToList();

        await Task.WhenAll(commands.SelectMany(command => new[]
        {
            service.AskAsync(CommandQueues.ConfirmPayment, command), CancelAsync(service, command),
            service.AskAsync(CommandQueues.ConfirmPayment, command)
        }));

        foreach (var command in commands)
            Assert.Equal(PaymentStatus.Cancelled, (await PaymentAsync(service, command.ReservationId)).Status);
    }

    [Fact]
    public async Task ConfirmPayment_InjectedFault_IsRefusedPermanently()
    {
        await using var service = await StartAsync(DatabaseProvider.Sqlite, ("Faults:Enabled", "true"),
            ("Faults:ConfirmPayment:RejectRate", "1"));
        var command = Confirm();

        Assert.Equal(new PaymentRejected(command.ReservationId, 1, "PAYMENT_REJECTED"),
            await service.AskAsync(CommandQueues.ConfirmPayment, command));
        Assert.Equal(PaymentStatus.Refused, (await PaymentAsync(service, command.ReservationId)).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Facts_OfReservations_HaveTheirPayments(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var (paid, cancelled) = (Confirm(), Confirm());
        await service.AskAsync(CommandQueues.ConfirmPayment, paid);
        await CancelAsync(service, cancelled);
        using var operations = service.ClientOf("operations");

        using var answer = await operations.PostAsJsonAsync("/internal/facts/payments",
            new FactRequest([paid.ReservationId, cancelled.ReservationId, Guid.CreateVersion7()]));
        var facts = (await answer.Content.ReadFromJsonAsync<PaymentFact[]>())!;

        Assert.Equal(new[] { (paid.ReservationId, "Confirmed", 2_000L), (cancelled.ReservationId, "Cancelled", 0L) }.Order(),
            facts.Select(fact => (fact.ReservationId, fact.Status, fact.Amount)).Order());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Erasure_OfACustomer_ChangesTheNamedPaymentsOnce(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var (erased, later, other) = (Confirm(), Confirm(), Confirm() with { UserId = "noah" });
        foreach (var command in new[] { erased, later, other })
            await service.AskAsync(CommandQueues.ConfirmPayment, command);
        using var operations = service.ClientOf("operations");
        var erasure = new EraseCustomer(Guid.CreateVersion7(), "olga", "A request of May 3.", "mina", "erased-1",
            [erased.ReservationId, other.ReservationId], null);

        foreach (var ids in new Guid[][] { erasure.ReservationIds, [later.ReservationId] })
        {
            using var answer = await operations.PostAsJsonAsync("/internal/customers/payments/erase",
                erasure with { ReservationIds = ids });
            Assert.Equal(new CustomerErasure(true, null), await answer.Content.ReadFromJsonAsync<CustomerErasure>());
        }

        Assert.Equal("erased-1", (await PaymentAsync(service, erased.ReservationId)).UserId);
        Assert.Equal("mina", (await PaymentAsync(service, later.ReservationId)).UserId);
        Assert.Equal("noah", (await PaymentAsync(service, other.ReservationId)).UserId);
    }

    [Fact]
    public async Task AnyRoute_WithoutTheSecret_Is404ExceptHealth()
    {
        await using var service = await StartAsync(DatabaseProvider.Sqlite);

        Assert.Equal(HttpStatusCode.NotFound, (await service.Stranger.GetAsync("/metrics")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await service.Stranger.GetAsync("/health/ready")).StatusCode);
        using var gateway = service.ClientOf("mina");
        Assert.Equal(HttpStatusCode.OK, (await gateway.GetAsync("/metrics")).StatusCode);
    }

    private async Task<RunningService> StartAsync(DatabaseProvider provider, params (string Key, string Value)[] settings) =>
        await RunningService.StartAsync(
            "Payments", await TestDatabase.CreateAsync(provider, server, "Payments"), TimeProvider.System,
            builder => builder.AddPayments(), bus => bus.AddPaymentsConsumers(), app => app.MapPayments(), settings);

    private static ConfirmPayment Confirm() => new(Guid.CreateVersion7(), 1, "mina", 2_000);

    private static Task<object> CancelAsync(RunningService service, ConfirmPayment command) =>
        service.AskAsync(CommandQueues.CancelPayment, new CancelPayment(command.ReservationId, 1));

    private static Task<Payment> PaymentAsync(RunningService service, Guid reservationId) =>
        service.WithAsync<PaymentsDbContext, Payment>(database =>
        database.Payments.AsNoTracking().SingleAsync(payment => payment.ReservationId == reservationId));
}

using ConcertSaga.Contracts.Operations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Operations.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Erases customers in each service, and as an operation.</summary>
internal static class ErasureScenario
{
    private const string User = "zoe";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(ProductHost host)
    {
        await host.Services.GetRequiredService<RoomSampler>().RunOnceAsync(CancellationToken.None);
        var reservationId = Guid.CreateVersion7();
        var other = await PrepareAsync(host, reservationId);
        // The account of another customer stands for one that a refund has created.
        var command = new EraseCustomer(
            Guid.CreateVersion7(), "olga", "x", User, other, [reservationId], DateTimeOffset.MaxValue.AddDays(-1));
        foreach (var owner in new[] { "orchestrator", "queue", "seats", "points", "payments", "dataplatform" })
            await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Post, $"/internal/customers/{owner}/erase", command));
        await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Post, "/internal/customers/dataplatform/erase",
            command with { ActionId = Guid.CreateVersion7(), LastOutcomeAt = null }));

        var (status, started) = await host.CallAsync("olga", HttpMethod.Post, "/ops/api/customers/erase",
            new { userId = User, reason = "x" });
        Assert.Equal(202, status);
        var path = $"/ops/api/operations/{started.GetProperty("operationId").GetGuid()}";
        await Eventually.TrueAsync(async () => (await host.CallAsync("olga", HttpMethod.Get, path)).Body.GetProperty("status").GetString()
            == "Completed", Limit, "the customer is erased");
    }

    // Writes rows of the customer where no other scenario leaves any.
    private static async Task<string> PrepareAsync(ProductHost host, Guid reservationId)
    {
        await using var scope = host.Services.CreateAsyncScope();
        var relay = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        relay.Add(new Delivery
        {
            DeliveryId = Guid.CreateVersion7(),
            ReservationId = reservationId,
            EventType = "reservation.confirmed",
            Sequence = 1,
            Payload = $$$"""{"data":{"userId":"{{{User}}}"}}""",
            Status = DeliveryStatus.Discarded
        });
        await relay.SaveChangesAsync();
        var operations = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        operations.Add(new FailedMessage
        {
            Queue = "points-deduct",
            Kind = FailureKind.Error,
            MessageId = $"{reservationId}",
            Fingerprint = "erasure",
            ReceivedAt = DateTimeOffset.UnixEpoch,
            Size = 1,
            Headers = "{}",
            Body = System.Text.Encoding.UTF8.GetBytes($$"""{"userId":"{{User}}"}""")
        });
        await operations.SaveChangesAsync();
        return await scope.ServiceProvider.GetRequiredService<PointsDbContext>().LedgerEntries.Select(entry => entry.UserId).FirstAsync();
    }
}

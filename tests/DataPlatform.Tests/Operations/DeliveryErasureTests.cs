using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

public sealed class DeliveryErasureTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>Before the relay knows the last outcome, a delivery could still be created with the old id.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Erasure_OfACustomer_WaitsForTheComparison(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(2);
        var before = await PayloadsAsync(relay);
        var command = new EraseCustomer(Guid.CreateVersion7(), "olga", "A request of May 3.", confirmed[0].UserId, "erased-1",
            [confirmed[0].ReservationId], RelayUnderTest.Now);

        Assert.Equal(new CustomerErasure(false, null), await EraseAsync(relay, command));
        Assert.Equal(before, await PayloadsAsync(relay));
        await relay.WithAsync<DataPlatformDbContext, int>(database => database.Destinations
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.ReconciledTo, RelayUnderTest.Now)));
        Assert.Equal(new CustomerErasure(true, null), await EraseAsync(relay, command));

        before[confirmed[0].ReservationId] = before[confirmed[0].ReservationId]
            .Replace($"\"userId\":\"{confirmed[0].UserId}\"", "\"userId\":\"erased-1\"", StringComparison.Ordinal);
        Assert.Equal(before, await PayloadsAsync(relay));
        Assert.Contains("erased-1", before[confirmed[0].ReservationId], StringComparison.Ordinal);
    }

    private static Task<Dictionary<Guid, string>> PayloadsAsync(RelayUnderTest relay) =>
        relay.WithAsync<DataPlatformDbContext, Dictionary<Guid, string>>(database =>
            database.Deliveries.ToDictionaryAsync(delivery => delivery.ReservationId, delivery => delivery.Payload));

    private static async Task<CustomerErasure> EraseAsync(RelayUnderTest relay, EraseCustomer command)
    {
        using var client = relay.Gateway();
        using var answer = await client.PostAsJsonAsync("/internal/customers/dataplatform/erase", command);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<CustomerErasure>())!;
    }
}

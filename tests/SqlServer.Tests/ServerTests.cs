using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Seats;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.SqlServer.Tests.Scenarios;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

[assembly: AssemblyFixture(typeof(MsSqlServer))]

namespace ConcertSaga.SqlServer.Tests;

/// <summary>Runs migrations, a reservation and the inbox on a real SQL Server, if one is available.</summary>
[Trait("Category", "SqlServerContainer")]
public sealed class ServerTests(MsSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static TheoryData<string> OwnerNames => Owners.All;

    [Theory]
    [MemberData(nameof(OwnerNames))]
    public async Task Migrations_Applied_BringTheDatabaseUpToDate(string owner)
    {
        await using var context = Owners.Create(owner, DatabaseProvider.SqlServer, await server.NewDatabaseAsync(owner));
        await context.Database.MigrateAsync();
        Assert.Empty(await context.Database.GetPendingMigrationsAsync());
    }

    [Fact]
    public async Task Reservation_OnSqlServer_IsHeldPaidAndCancelled()
    {
        await using var host = await StartAsync();
        await ReservationScenario.ReserveAndPayAsync(host);
    }

    [Fact]
    public async Task Message_DeliveredTwentyTimesAtOnce_HasOneInboxRow()
    {
        await using var host = await StartAsync();
        var messageId = Guid.CreateVersion7();
        var saga = await host.Services.GetRequiredService<IBus>().GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ =>
            saga.Send(new ReservationDeadlineReached(Guid.CreateVersion7()), context => context.MessageId = messageId)));

        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        await Eventually.TrueAsync(async () => (await database.Set<InboxState>().AsNoTracking().Where(row => row.MessageId == messageId)
            .ToListAsync()) is [{ ReceiveCount: 20 }],
            Limit, "one row has counted every delivery");
    }

    private async Task<ProductHost> StartAsync()
    {
        var addresses = new Dictionary<string, string>();
        foreach (var owner in Owners.Names)
        {
            addresses[owner] = await server.NewDatabaseAsync(owner);
            await using var context = Owners.Create(owner, DatabaseProvider.SqlServer, addresses[owner]);
            await context.Database.MigrateAsync();
        }
        var host = await ProductHost.StartAsync(owner => addresses[owner], TimeProvider.System);
        await SeatsService.SeedDemoDataAsync(host.Services, CancellationToken.None);
        return host;
    }
}

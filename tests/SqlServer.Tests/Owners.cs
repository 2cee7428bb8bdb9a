using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Operations.Data;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Queue.Data;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>Creates the database contexts of each owner.</summary>
internal static class Owners
{
    private static readonly Dictionary<string, Func<DatabaseProvider, string, DbContext>> Contexts = new()
    {
        ["Orchestrator"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerOrchestratorDbContext(Options<SqlServerOrchestratorDbContext>(provider, address))
            : new SqliteOrchestratorDbContext(Options<SqliteOrchestratorDbContext>(provider, address)),
        ["Queue"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerQueueDbContext(Options<SqlServerQueueDbContext>(provider, address))
            : new SqliteQueueDbContext(Options<SqliteQueueDbContext>(provider, address)),
        ["Seats"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerSeatsDbContext(Options<SqlServerSeatsDbContext>(provider, address))
            : new SqliteSeatsDbContext(Options<SqliteSeatsDbContext>(provider, address)),
        ["Points"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerPointsDbContext(Options<SqlServerPointsDbContext>(provider, address))
            : new SqlitePointsDbContext(Options<SqlitePointsDbContext>(provider, address)),
        ["Payments"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerPaymentsDbContext(Options<SqlServerPaymentsDbContext>(provider, address))
            : new SqlitePaymentsDbContext(Options<SqlitePaymentsDbContext>(provider, address)),
        ["DataPlatform"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerDataPlatformDbContext(Options<SqlServerDataPlatformDbContext>(provider, address))
            : new SqliteDataPlatformDbContext(Options<SqliteDataPlatformDbContext>(provider, address)),
        ["Operations"] = (provider, address) => provider == DatabaseProvider.SqlServer
            ? new SqlServerOperationsDbContext(Options<SqlServerOperationsDbContext>(provider, address))
            : new SqliteOperationsDbContext(Options<SqliteOperationsDbContext>(provider, address))
    };

    public static IEnumerable<string> Names => Contexts.Keys;

    public static TheoryData<string> All => [.. Contexts.Keys];

    /// <summary>Creates a context. Without an address it must not connect.</summary>
    public static DbContext Create(string owner, DatabaseProvider provider = DatabaseProvider.SqlServer,
        string address = "Server=nowhere") =>
        Contexts[owner](provider, address);

    private static DbContextOptions<TContext> Options<TContext>(DatabaseProvider provider, string address)
        where TContext : DbContext
    {
        var options = new DbContextOptionsBuilder<TContext>();
        DatabaseRegistration.Use(options, provider, address);
        return options.Options;
    }
}

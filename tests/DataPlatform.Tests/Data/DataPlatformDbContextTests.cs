using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Data;

public sealed class DataPlatformDbContextTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>The table of actions on deliveries became the one that all owners have. Its rows stay, in both directions.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Migration_ToOperatorActions_KeepsEachRow(DatabaseProvider provider)
    {
        await using var empty = await TestDatabase.CreateAsync(provider, server);
        await using var database = Create(provider, empty.ConnectionString);
        var migrator = database.GetService<IMigrator>();
        await migrator.MigrateAsync("Initial", TestContext.Current.CancellationToken);
        var (discarded, paused, delivery) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        var at = new DateTimeOffset(2030, 5, 1, 12, 0, 0, TimeSpan.Zero);
        await database.Database.ExecuteSqlAsync($"""
            INSERT INTO "DeliveryActions" ("ActionId", "DeliveryId", "Kind", "At", "By", "Reason") VALUES
            ({discarded}, {delivery}, 'Discard', {at.UtcDateTime}, 'olga', 'It never existed.'),
            ({paused}, NULL, 'Pause', {at.UtcDateTime}, 'relay', 'The platform answered 410.')
            """, TestContext.Current.CancellationToken);

        await migrator.MigrateAsync(cancellationToken: TestContext.Current.CancellationToken);

        var rows = await database.Actions.AsNoTracking().ToDictionaryAsync(row => row.ActionId, TestContext.Current.CancellationToken);
        Assert.Equal(2, rows.Count);
        Assert.Equal(("Discard", $"deliveries/{delivery}", at, "olga", "It never existed.", null), (rows[discarded].Action,
            rows[discarded].Target, rows[discarded].At, rows[discarded].Operator, rows[discarded].Reason, rows[discarded].Before));
        Assert.Equal(("Pause", DestinationState.Target, "relay"), (rows[paused].Action, rows[paused].Target, rows[paused].Operator));

        await migrator.MigrateAsync("Initial", TestContext.Current.CancellationToken);
        Assert.Equal([delivery], (await database.Database.SqlQuery<Guid?>($"""SELECT "DeliveryId" AS "Value" FROM "DeliveryActions" """)
            .ToListAsync(TestContext.Current.CancellationToken)).OfType<Guid>());
    }

    private static DataPlatformDbContext Create(DatabaseProvider provider, string connectionString)
    {
        if (provider == DatabaseProvider.Sqlite)
            return new SqliteDataPlatformDbContext(Configure(new DbContextOptionsBuilder<SqliteDataPlatformDbContext>()));
        return new PostgreSqlDataPlatformDbContext(Configure(new DbContextOptionsBuilder<PostgreSqlDataPlatformDbContext>()));

        DbContextOptions<T> Configure<T>(DbContextOptionsBuilder<T> options)
            where T : DbContext
        {
            DatabaseRegistration.Use(options, provider, connectionString);
            return options.Options;
        }
    }
}

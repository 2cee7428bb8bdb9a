using System.Data.Common;
using ConcertSaga.Shared.Concurrency;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>The database servers a process can run on; the value of <c>Database:Provider</c>.</summary>
public enum DatabaseProvider
{
    /// <summary>Microsoft SQL Server 2019 or newer; the default of a separate process.</summary>
    SqlServer,

    /// <summary>PostgreSQL 13 or newer.</summary>
    PostgreSql,

    /// <summary>One file per owner; the default of AllInOne.</summary>
    Sqlite
}

/// <summary>Gives each owner its own database on the configured server.</summary>
public static class DatabaseRegistration
{
    /// <summary>Reads the configured server from <c>Database:Provider</c>.</summary>
    public static DatabaseProvider GetDatabaseProvider(this IConfiguration configuration) =>
        configuration.Read("Database:Provider", DatabaseProvider.SqlServer);

    /// <summary>
    /// Registers <typeparamref name="TContext"/> as the context of the configured server, at <c>ConnectionStrings:{owner}</c>, with a
    /// health check: <c>Degraded</c> if the database cannot be written, <c>Unhealthy</c> if it cannot be read. There is no execution
    /// strategy, because the consumer retries with a new scope.
    /// </summary>
    public static IHostApplicationBuilder AddDatabase<TContext, TSqlite, TPostgreSql, TSqlServer>(
        this IHostApplicationBuilder builder, string owner, Action<IServiceProvider, DbContextOptionsBuilder>? configure = null)
        where TContext : DbContext
        where TSqlite : TContext
        where TPostgreSql : TContext
        where TSqlServer : TContext
    {
        var provider = builder.Configuration.GetDatabaseProvider();
        if (provider == DatabaseProvider.SqlServer && HasNoCultures())
            throw new StartupException(
                "Database:Provider is SqlServer, whose client needs ICU, but this process runs without ICU; allowed: an image or machine "
                    + "with ICU (Debian: libicu) and without DOTNET_SYSTEM_GLOBALIZATION_INVARIANT, or the provider PostgreSql or Sqlite.");
        var connectionString = builder.Configuration.GetConnectionString(owner);
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            if (provider != DatabaseProvider.Sqlite || builder.Configuration["DataDirectory"] is not { Length: > 0 } directory)
                throw new StartupException($"ConnectionStrings:{owner} is missing; allowed: a connection string for {provider}.");
            var path = Path.Combine(directory, owner.ToLowerInvariant() + ".db");
            connectionString = new SqliteConnectionStringBuilder { DataSource = path }.ConnectionString;
        }
        ConnectionStrings.Check($"ConnectionStrings:{owner}", provider, connectionString);

        switch (provider)
        {
            case DatabaseProvider.Sqlite: Register<TSqlite>(); break;
            case DatabaseProvider.PostgreSql: Register<TPostgreSql>(); break;
            default: Register<TSqlServer>(); break;
        }

        builder.Services.AddSingleton(new MigratedContext(typeof(TContext), owner));
        var file = provider == DatabaseProvider.Sqlite ? new SqliteFile(owner, connectionString) : null;
        if (file is not null)
            builder.Services.AddSingleton(file).AddSingleton<IHostedService>(file);
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            $"database-{owner.ToLowerInvariant()}", new DatabaseHealthCheck<TContext>(provider, file).Use, HealthStatus.Unhealthy,
            ["ready"], timeout: TimeSpan.FromSeconds(10)));
        return builder;

        void Register<TImplementation>()
            where TImplementation : TContext =>
            builder.Services.AddDbContextPool<TContext, TImplementation>((services, options) =>
            {
                Use(options, provider, connectionString);
                configure?.Invoke(services, options);
            });
    }

    /// <summary>Configures a context's options for a server.</summary>
    public static void Use(DbContextOptionsBuilder options, DatabaseProvider provider, string connectionString)
    {
        switch (provider)
        {
            case DatabaseProvider.Sqlite:
                options.UseSqlite(connectionString);
                options.AddInterceptors(new SqliteWriterGate());
                break;
            case DatabaseProvider.PostgreSql:
                options.UseNpgsql(WithDefaults(connectionString));
                break;
            default:
                options.UseSqlServer(connectionString);
                break;
        }
    }

    // Preparing the few repeated statements halves their cost on the server. No code changes the state of a session, so a connection need
    // not be reset when it returns to its pool; open transactions are rolled back in any case.
    private static string WithDefaults(string connectionString)
    {
        foreach (var (key, value) in new[] { ("Max Auto Prepare", "100"), ("No Reset On Close", "true") })
        {
            if (!connectionString.Replace(" ", "").Contains(key.Replace(" ", ""), StringComparison.OrdinalIgnoreCase))
                connectionString = $"{connectionString};{key}={value}";
        }
        return connectionString;
    }

    /// <summary>
    /// Makes instants and text behave alike on all servers. SQLite cannot compare offsets, so it stores instants as sortable UTC text. SQL
    /// Server ignores case by default, but user ids that differ only in case belong to different users.
    /// </summary>
    public static void UseProductConventions(this ModelConfigurationBuilder conventions, DbContext context)
    {
        switch (context.Database.GetProvider())
        {
            case DatabaseProvider.Sqlite: conventions.Properties<DateTimeOffset>().HaveConversion<UtcTextConverter>(); break;
            case DatabaseProvider.SqlServer: conventions.Properties<string>().UseCollation("Latin1_General_100_BIN2"); break;
            default: break;
        }
    }

    /// <summary>Returns the server that a context uses.</summary>
    public static DatabaseProvider GetProvider(this DatabaseFacade database) =>
        database.IsSqlite() ? DatabaseProvider.Sqlite
        : database.IsNpgsql() ? DatabaseProvider.PostgreSql
        : DatabaseProvider.SqlServer;

    /// <summary>Migrates every registered database to the newest schema. Refuses a database that is not its owner's.</summary>
    public static Task MigrateAsync(this IServiceProvider services, CancellationToken cancellationToken) =>
        services.ForEachAsync(async (database, owner) =>
        {
            await services.RefuseForeignAsync(database, owner, cancellationToken);
            if (database.IsSqlite())
                await FinishInterruptedStartAsync(database, cancellationToken);
            await database.MigrateAsync(cancellationToken);
        });

    /// <summary>Explains which migrations the databases lack; null if they lack none.</summary>
    internal static async Task<string?> FindSchemaGapAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        string? gap = null;
        await services.ForEachAsync(async (database, owner) =>
        {
            if ((await database.GetPendingMigrationsAsync(cancellationToken)).ToArray() is [var first, .. var others])
                gap ??= $"Database {owner} lacks the migration '{first}'{(others is [] ? "" : $" and {others.Length} more")}. "
                    + "Run the command migrate.";
        });
        return gap;
    }

    /// <summary>
    /// Refuses databases that are not their owner's, or that another version has migrated. Only a process that does not share its databases
    /// may use this: during an upgrade, replicas of two versions run side by side.
    /// </summary>
    public static Task RefuseNewerAsync(this IServiceProvider services, CancellationToken cancellationToken) =>
        services.ForEachAsync(async (database, owner) =>
        {
            await services.RefuseForeignAsync(database, owner, cancellationToken);
            if (await DatabaseOrigin.FindVersionProblemAsync(database, cancellationToken) is { } problem)
                throw new StartupException($"Database {owner} {problem}");
        });

    private static async Task RefuseForeignAsync(
        this IServiceProvider services, DatabaseFacade database, string owner, CancellationToken cancellationToken)
    {
        var others = services.GetServices<MigratedContext>().Where(other => other.Owner != owner);
        if (await DatabaseOrigin.FindProblemAsync(database, others.Select(MigrationsOf), cancellationToken) is { } problem)
            throw new StartupException(
                $"Database {owner} is {DatabaseOrigin.AddressOf(database)}, which {problem}; allowed: the database of {owner}, or an "
                    + "empty one. Put the right one back, or restore a backup.");

        (string, IEnumerable<string>) MigrationsOf(MigratedContext other)
        {
            using var scope = services.CreateScope();
            return (other.Owner, [.. ((DbContext)scope.ServiceProvider.GetRequiredService(other.Type)).Database.GetMigrations()]);
        }
    }

    // A process that is killed while it migrates leaves EF Core's lock behind, and the next start would wait for it forever. One killed
    // right after it created the file leaves a database without a write-ahead log. A SQLite file belongs to one process.
    private static async Task FinishInterruptedStartAsync(DatabaseFacade database, CancellationToken cancellationToken)
    {
        if (!File.Exists(database.GetDbConnection().DataSource))
            return;
        await database.ExecuteSqlAsync($"PRAGMA journal_mode = 'wal'", cancellationToken);
        await database.ExecuteSqlAsync($"""DROP TABLE IF EXISTS "__EFMigrationsLock" """, cancellationToken);
    }

    private static async Task ForEachAsync(this IServiceProvider services, Func<DatabaseFacade, string, Task> work)
    {
        foreach (var migrated in services.GetServices<MigratedContext>())
        {
            await using var scope = services.CreateAsyncScope();
            var database = ((DbContext)scope.ServiceProvider.GetRequiredService(migrated.Type)).Database;
            try
            {
                await work(database, migrated.Owner);
            }
            catch (DbException exception)
            {
                throw new StartupException(
                    $"ConnectionStrings:{migrated.Owner} names {database.GetDbConnection().DataSource}, which cannot be used: "
                        + $"{exception.Message.ReplaceLineEndings(" ")}");
            }
        }
    }

    private static bool HasNoCultures() =>
        Environment.GetEnvironmentVariable("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT") is "1" or "true"
        || (AppContext.TryGetSwitch("System.Globalization.Invariant", out var invariant) && invariant);

    private sealed record MigratedContext(Type Type, string Owner);

    private sealed class UtcTextConverter() : ValueConverter<DateTimeOffset, DateTime>(
        instant => instant.UtcDateTime, text => new DateTimeOffset(DateTime.SpecifyKind(text, DateTimeKind.Utc)));
}

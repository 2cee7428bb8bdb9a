using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>The database servers a process can run on; the value of <c>Database:Provider</c>.</summary>
public enum DatabaseProvider
{
    /// <summary>Microsoft SQL Server 2019 or newer; the default of a process by itself.</summary>
    SqlServer,

    /// <summary>PostgreSQL 13 or newer.</summary>
    PostgreSql,

    /// <summary>One file per owner; the default of AllInOne.</summary>
    Sqlite
}

/// <summary>Gives each owner its own database on the configured server.</summary>
public static class DatabaseRegistration
{
    /// <summary>The configured server. Read from <c>Database:Provider</c>.</summary>
    public static DatabaseProvider GetDatabaseProvider(this IConfiguration configuration) =>
        configuration.Read("Database:Provider", DatabaseProvider.SqlServer);

    /// <summary>
    /// Registers <typeparamref name="TContext"/> as the context of the configured server, at <c>ConnectionStrings:{owner}</c>, with a health
    /// check that fails when nothing can be read. There is no execution strategy: retries belong to the consumer, which starts over with a
    /// fresh scope.
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
            throw new StartupException("Database:Provider is SqlServer, whose client needs ICU, and this process runs without; allowed: an image or machine with ICU (Debian: libicu) and no DOTNET_SYSTEM_GLOBALIZATION_INVARIANT, or PostgreSql, Sqlite.");
        var connectionString = builder.Configuration.GetConnectionString(owner);
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            if (provider != DatabaseProvider.Sqlite || builder.Configuration["DataDirectory"] is not { Length: > 0 } directory)
                throw new StartupException($"ConnectionStrings:{owner} is missing; allowed: a connection string for {provider}.");
            connectionString = $"Data Source={Path.Combine(directory, owner.ToLowerInvariant() + ".db")}";
        }

        switch (provider)
        {
            case DatabaseProvider.Sqlite: Register<TSqlite>(); break;
            case DatabaseProvider.PostgreSql: Register<TPostgreSql>(); break;
            default: Register<TSqlServer>(); break;
        }

        builder.Services.AddSingleton(new MigratedContext(typeof(TContext)));
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            $"database-{owner.ToLowerInvariant()}", services => new DatabaseHealthCheck<TContext>(services), HealthStatus.Unhealthy, ["ready"],
            timeout: TimeSpan.FromSeconds(5)));
        return builder;

        void Register<TImplementation>()
            where TImplementation : TContext =>
            builder.Services.AddDbContextPool<TContext, TImplementation>((services, options) =>
            {
                Use(options, provider, connectionString);
                configure?.Invoke(services, options);
            });
    }

    /// <summary>Points a context's options at a server.</summary>
    public static void Use(DbContextOptionsBuilder options, DatabaseProvider provider, string connectionString)
    {
        try
        {
            switch (provider)
            {
                case DatabaseProvider.Sqlite:
                    options.UseSqlite(connectionString);
#if !OFFICIAL_PERSISTENCE
                    options.AddInterceptors(new Persistence.SqliteWriterGate());
#endif
                    break;
                case DatabaseProvider.PostgreSql:
                    options.UseNpgsql(WithDefaults(connectionString));
                    break;
                default:
                    options.UseSqlServer(connectionString);
                    break;
            }
        }
        catch (ArgumentException exception)
        {
            throw new StartupException($"A connection string is not one for {provider}: {exception.Message.ReplaceLineEndings(" ")}");
        }
    }

    // The same few statements run again and again; parsed and planned once, they cost the server half. And no code changes a session's state, so
    // there is nothing to reset when a connection goes back to its pool; an open transaction is rolled back all the same.
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
    /// How every context stores what the servers do not store alike. SQLite cannot compare offsets, so there an instant is a UTC text that
    /// sorts. SQL Server compares text without regard to case unless told otherwise, and two users whose ids differ in case only are two.
    /// </summary>
    public static void UseProductConventions(this ModelConfigurationBuilder conventions, DbContext context)
    {
        if (context.GetType().Name.StartsWith(nameof(DatabaseProvider.Sqlite), StringComparison.Ordinal))
            conventions.Properties<DateTimeOffset>().HaveConversion<UtcText>();
        else if (context.GetType().Name.StartsWith(nameof(DatabaseProvider.SqlServer), StringComparison.Ordinal))
            conventions.Properties<string>().UseCollation("Latin1_General_100_BIN2");
    }

    /// <summary>Brings every registered database to the newest schema.</summary>
    public static async Task MigrateAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        foreach (var migrated in services.GetServices<MigratedContext>())
        {
            await using var scope = services.CreateAsyncScope();
            await ((DbContext)scope.ServiceProvider.GetRequiredService(migrated.Type)).Database.MigrateAsync(cancellationToken);
        }
    }

    private static bool HasNoCultures() =>
        Environment.GetEnvironmentVariable("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT") is "1" or "true"
        || (AppContext.TryGetSwitch("System.Globalization.Invariant", out var invariant) && invariant);

    private sealed record MigratedContext(Type Type);

    private sealed class UtcText() : ValueConverter<DateTimeOffset, DateTime>(
        instant => instant.UtcDateTime, text => new DateTimeOffset(DateTime.SpecifyKind(text, DateTimeKind.Utc)));

    private sealed class DatabaseHealthCheck<TContext>(IServiceProvider services) : IHealthCheck
        where TContext : DbContext
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            await using var scope = services.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<TContext>().Database;
            return await database.CanConnectAsync(cancellationToken)
                ? HealthCheckResult.Healthy()
                : new HealthCheckResult(context.Registration.FailureStatus, "The database does not answer.");
        }
    }
}

using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>
/// Chooses the statements that lock rows. An outbox accepts the choice and ignores it: it leases rows without locks, and its schema is that
/// of the model.
/// </summary>
public static class LockStatementConfigurationExtensions
{
    /// <summary>Accepted for compatibility; the outbox recognizes the database server by its context.</summary>
    public static IEntityFrameworkOutboxConfigurator UseSqlServer(
        this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true) =>
        Set(configurator, new SqlServerLockStatementProvider(enableSchemaCaching));

    /// <summary>Accepted for compatibility; the outbox recognizes the database server by its context.</summary>
    public static IEntityFrameworkOutboxConfigurator UseSqlServer(
        this IEntityFrameworkOutboxConfigurator configurator, string schemaName, bool enableSchemaCaching = true) =>
        Set(configurator, new SqlServerLockStatementProvider(schemaName, enableSchemaCaching));

    /// <summary>Accepted for compatibility; the outbox recognizes the database server by its context.</summary>
    public static IEntityFrameworkOutboxConfigurator UsePostgres(
        this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true) =>
        Set(configurator, new PostgresLockStatementProvider(enableSchemaCaching));

    /// <summary>Accepted for compatibility; the outbox recognizes the database server by its context.</summary>
    public static IEntityFrameworkOutboxConfigurator UsePostgres(
        this IEntityFrameworkOutboxConfigurator configurator, string schemaName, bool enableSchemaCaching = true) =>
        Set(configurator, new PostgresLockStatementProvider(schemaName, enableSchemaCaching));

    /// <summary>Accepted for compatibility; the outbox recognizes the database server by its context.</summary>
    public static IEntityFrameworkOutboxConfigurator UseSqlite(
        this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true) =>
        Set(configurator, new SqliteLockStatementProvider(enableSchemaCaching));

    /// <summary>Locks rows with the statements of SQL Server.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator UseSqlServer(
        this IEntityFrameworkSagaRepositoryConfigurator configurator, bool enableSchemaCaching = true) =>
        Set(configurator, new SqlServerLockStatementProvider(enableSchemaCaching));

    /// <summary>Locks rows with the statements of SQL Server.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator UseSqlServer(
        this IEntityFrameworkSagaRepositoryConfigurator configurator, string schemaName, bool enableSchemaCaching = true) =>
        Set(configurator, new SqlServerLockStatementProvider(schemaName, enableSchemaCaching));

    /// <summary>Locks rows with the statements of PostgreSQL.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(
        this IEntityFrameworkSagaRepositoryConfigurator configurator, bool enableSchemaCaching = true) =>
        Set(configurator, new PostgresLockStatementProvider(enableSchemaCaching));

    /// <summary>Locks rows with the statements of PostgreSQL.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(
        this IEntityFrameworkSagaRepositoryConfigurator configurator, string schemaName, bool enableSchemaCaching = true) =>
        Set(configurator, new PostgresLockStatementProvider(schemaName, enableSchemaCaching));

    /// <summary>Locks rows with the statements of SQLite.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator UseSqlite(
        this IEntityFrameworkSagaRepositoryConfigurator configurator, bool enableSchemaCaching = true) =>
        Set(configurator, new SqliteLockStatementProvider(enableSchemaCaching));

    /// <summary>Locks rows with the statements of SQL Server.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<TSaga> UseSqlServer<TSaga>(
        this IEntityFrameworkSagaRepositoryConfigurator<TSaga> configurator, bool enableSchemaCaching = true)
        where TSaga : class, ISaga =>
        Set(configurator, new SqlServerLockStatementProvider(enableSchemaCaching));

    /// <summary>Locks rows with the statements of SQL Server.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<TSaga> UseSqlServer<TSaga>(
        this IEntityFrameworkSagaRepositoryConfigurator<TSaga> configurator, string schemaName, bool enableSchemaCaching = true)
        where TSaga : class, ISaga =>
        Set(configurator, new SqlServerLockStatementProvider(schemaName, enableSchemaCaching));

    /// <summary>Locks rows with the statements of PostgreSQL.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<TSaga> UsePostgres<TSaga>(
        this IEntityFrameworkSagaRepositoryConfigurator<TSaga> configurator, bool enableSchemaCaching = true)
        where TSaga : class, ISaga =>
        Set(configurator, new PostgresLockStatementProvider(enableSchemaCaching));

    /// <summary>Locks rows with the statements of PostgreSQL.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<TSaga> UsePostgres<TSaga>(
        this IEntityFrameworkSagaRepositoryConfigurator<TSaga> configurator, string schemaName, bool enableSchemaCaching = true)
        where TSaga : class, ISaga =>
        Set(configurator, new PostgresLockStatementProvider(schemaName, enableSchemaCaching));

    /// <summary>Locks rows with the statements of SQLite.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<TSaga> UseSqlite<TSaga>(
        this IEntityFrameworkSagaRepositoryConfigurator<TSaga> configurator, bool enableSchemaCaching = true)
        where TSaga : class, ISaga =>
        Set(configurator, new SqliteLockStatementProvider(enableSchemaCaching));

    private static IEntityFrameworkOutboxConfigurator Set(IEntityFrameworkOutboxConfigurator configurator, ILockStatementProvider provider)
    {
        configurator.LockStatementProvider = provider;
        return configurator;
    }

    private static T Set<T>(T configurator, ILockStatementProvider provider)
        where T : IEntityFrameworkSagaRepositoryConfigurator
    {
        configurator.LockStatementProvider = provider;
        return configurator;
    }
}

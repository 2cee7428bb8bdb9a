using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Adds row locks to queries that carry its tag. A locking query thus stays ordinary LINQ, which Entity Framework Core translates once. It
/// would translate raw SQL with parameters every time, under a process-wide lock.
/// </summary>
internal sealed class RowLocks : DbCommandInterceptor
{
    public static readonly RowLocks Instance = new();

    private const string Comment = "-- ";
    private const string Prefix = "Row lock: ";

    private static readonly ConcurrentDictionary<string, (ILockStatementProvider Provider, string Table)> Tags = new();

    // Holds one entry per distinct query, because values are parameters.
    private static readonly ConcurrentDictionary<string, string> Statements = new();

    private RowLocks()
    {
    }

    /// <summary>Returns the tag that makes a query lock rows of an entity.</summary>
    /// <exception cref="InvalidOperationException">The context does not map the entity, or its options lack the interceptor.</exception>
    public static string TagFor(DbContext context, Type entity, ILockStatementProvider? provider)
    {
        var type = context.Model.FindEntityType(entity)
            ?? throw new InvalidOperationException($"{context.GetType().Name} does not map {entity.Name}.");
        provider ??= ProviderOf(context);
        if (provider is not SqliteLockStatementProvider && !AreKnownTo(context))
        {
            throw new InvalidOperationException(
                $"{context.GetType().Name} cannot lock rows, because its options were created outside the container. Register it with "
                + $"AddDbContext, AddDbContextPool or AddDbContextFactory, or set ConcurrencyMode.Optimistic for {entity.Name}.");
        }
        var table = context.GetService<ISqlGenerationHelper>().DelimitIdentifier(type.GetTableName()!, type.GetSchema());
        var tag = $"{Prefix}{table} by {provider.GetType().Name}";
        Tags.TryAdd(tag, (provider, table));
        return tag;
    }

    /// <summary>Adds the interceptor to every context of a type, whenever and however it is registered.</summary>
    public static void AddTo(IServiceCollection services, Type context)
    {
        services.AddSingleton(new LockingContext(context));
        services.TryAddEnumerable(ServiceDescriptor.Singleton(typeof(IDbContextOptionsConfiguration<>), typeof(RowLockConfiguration<>)));
    }

    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result)
    {
        Lock(command);
        return result;
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        Lock(command);
        return new ValueTask<InterceptionResult<DbDataReader>>(result);
    }

    private static void Lock(DbCommand command)
    {
        var text = command.CommandText;
        if (!text.StartsWith(Comment + Prefix, StringComparison.Ordinal))
            return;
#pragma warning disable CA2100 // The added text depends on the query, not on its values.
        command.CommandText = Statements.GetOrAdd(text, static statement =>
        {
            var end = statement.AsSpan().IndexOfAny('\r', '\n');
            var (provider, table) = Tags[statement[Comment.Length..end]];
            return provider.LockRows(statement, table);
        });
#pragma warning restore CA2100
    }

    private static bool AreKnownTo(DbContext context) =>
        context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.Contains(Instance) == true;

    private static ILockStatementProvider ProviderOf(DbContext context) => context.Database.ProviderName switch
    {
        { } name when name.EndsWith("SqlServer", StringComparison.Ordinal) => new SqlServerLockStatementProvider(),
        { } name when name.EndsWith("PostgreSQL", StringComparison.Ordinal) => new PostgresLockStatementProvider(),
        { } name when name.EndsWith("Sqlite", StringComparison.Ordinal) => new SqliteLockStatementProvider(),
        var name => throw new InvalidOperationException(
            $"The row locks of {name} are unknown. Set LockStatementProvider, or use ConcurrencyMode.Optimistic.")
    };

    internal sealed record LockingContext(Type Type);

    // Entity Framework Core calls this when it creates the options of any context of the container.
    internal sealed class RowLockConfiguration<TContext>(IEnumerable<LockingContext> locking) : IDbContextOptionsConfiguration<TContext>
        where TContext : DbContext
    {
        public void Configure(IServiceProvider serviceProvider, DbContextOptionsBuilder optionsBuilder)
        {
            // The registered context may derive from the one that the saga names.
            if (locking.Any(context => context.Type.IsAssignableFrom(typeof(TContext))))
                optionsBuilder.AddInterceptors(Instance);
        }
    }
}

using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Keeps one context open. A container that is being disposed creates no scopes, but the last receipts still have to be written.
/// </summary>
internal sealed class LongLivedContext<TDbContext>(IServiceScopeFactory scopes) : IAsyncDisposable
    where TDbContext : DbContext
{
    private readonly Lock _gate = new();
    private AsyncServiceScope? _scope;
    private TDbContext? _database;

    /// <summary>Creates the context while the container still can.</summary>
    public void Open() => Get();

    public TDbContext Get() => Volatile.Read(ref _database) ?? Create();

    public ValueTask DisposeAsync() => _scope?.DisposeAsync() ?? ValueTask.CompletedTask;

    private TDbContext Create()
    {
        lock (_gate)
        {
            if (_database is not null)
                return _database;
            _scope ??= scopes.CreateAsyncScope();
            var database = _scope.Value.ServiceProvider.GetRequiredService<TDbContext>();
            // All entities arrive in their final state; detecting changes would find rows that other contexts have already stored.
            database.ChangeTracker.AutoDetectChangesEnabled = false;
            database.Database.AutoSavepointsEnabled = false;
            // Reading the model makes the context resolve its services now.
            _ = database.Model;
            Volatile.Write(ref _database, database);
            return database;
        }
    }
}

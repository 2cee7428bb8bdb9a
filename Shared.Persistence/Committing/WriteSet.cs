using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Holds the changes of one consumed message: the rows its handler tracks, its inbox entry and the messages it sent.</summary>
internal sealed class WriteSet
{
    private readonly List<EntityEntry> _changed;

    private WriteSet(DbContext handler, InboxState inbox, List<OutboxMessage> messages, List<EntityEntry> changed)
    {
        Handler = handler;
        Inbox = inbox;
        Messages = messages;
        _changed = changed;
    }

    /// <summary>
    /// Returns the handler's changes, or null if only its own context can save them: parts of other entities, and rows that refer to a key
    /// that the database has not generated yet.
    /// </summary>
    public static WriteSet? Of(DbContext handler, InboxState inbox, List<OutboxMessage> messages)
    {
        var changed = new List<EntityEntry>();
        foreach (var entry in handler.ChangeTracker.Entries())
        {
            if (entry.State is not (EntityState.Added or EntityState.Modified or EntityState.Deleted))
                continue;
            var type = entry.Metadata;
            if (type.IsOwned() || type.HasSharedClrType || type.GetComplexProperties().Any())
                return null;
            if (entry.State != EntityState.Deleted && type.GetForeignKeys()
                .Any(key => key.Properties.Any(property => entry.Property(property).IsTemporary)))
                return null;
            // The handler set a temporary key that the database will replace. Another context would store it as the real one.
            if (entry.State == EntityState.Added
                && type.FindPrimaryKey()!.Properties.Any(property => entry.Property(property).IsTemporary && IsSet(property, entry.Entity)))
                return null;
            changed.Add(entry);
        }
        return new WriteSet(handler, inbox, messages, changed);
    }

    /// <summary>The handler's context.</summary>
    public DbContext Handler { get; }

    /// <summary>The message's inbox entry.</summary>
    public InboxState Inbox { get; }

    /// <summary>The messages that the handler sent.</summary>
    public List<OutboxMessage> Messages { get; }

    /// <summary>Whether the handler's context changed anything.</summary>
    public bool HasChanges => _changed.Count > 0;

    /// <summary>Returns whether one of these rows belongs to this write set.</summary>
    public bool Owns(HashSet<object> rows) =>
        rows.Contains(Inbox) || Messages.Exists(rows.Contains) || _changed.Exists(entry => rows.Contains(entry.Entity));

    /// <summary>
    /// Makes another context track the handler's rows in the same states. Does nothing and returns false if one of them is among
    /// <paramref name="keys"/>, the keys of rows that were moved there before.
    /// </summary>
    public bool TryMoveTo(DbContext writer, HashSet<object> keys)
    {
        var ownKeys = _changed.ConvertAll(KeyOf);
        if (ownKeys.Exists(key => key is not null && keys.Contains(key)))
            return false;
        foreach (var key in ownKeys)
        {
            if (key is not null)
                keys.Add(key);
        }
        foreach (var entry in _changed)
            Move(entry, writer.Entry(entry.Entity));
        return true;
    }

    /// <summary>Tells the handler's context that its changes are stored.</summary>
    public void Accept() => Handler.ChangeTracker.AcceptAllChanges();

    private static bool IsSet(IProperty property, object row) =>
        property.PropertyInfo?.GetValue(row) is { } value
            && !value.Equals(property.ClrType.IsValueType ? Activator.CreateInstance(property.ClrType) : null);

    private static object? KeyOf(EntityEntry entry)
    {
        var type = entry.Metadata;
        object? whole = type.GetRootType();
        foreach (var property in type.FindPrimaryKey()!.Properties)
        {
            var part = entry.Property(property);
            if (part.IsTemporary)
                return null;
            whole = (whole, part.CurrentValue);
        }
        return whole;
    }

    private static void Move(EntityEntry from, EntityEntry to)
    {
        // The object does not carry the values of shadow properties.
        foreach (var property in from.Metadata.GetProperties())
        {
            if (property.IsShadowProperty() && !from.Property(property).IsTemporary)
                to.Property(property).CurrentValue = from.Property(property).CurrentValue;
        }
        if (from.State == EntityState.Added)
        {
            to.State = EntityState.Added;
            return;
        }
        to.State = EntityState.Unchanged;
        foreach (var property in from.Metadata.GetProperties())
        {
            var (here, there) = (from.Property(property), to.Property(property));
            if (!here.IsModified && !property.IsConcurrencyToken)
                continue;
            there.OriginalValue = here.OriginalValue;
            if (here.IsModified)
                there.IsModified = true;
        }
        if (from.State == EntityState.Deleted)
            to.State = EntityState.Deleted;
    }
}

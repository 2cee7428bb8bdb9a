using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What consuming one message changed: the rows its handler's context tracks, its inbox row, and the messages it sent.</summary>
internal sealed class WriteSet
{
    private readonly List<EntityEntry> _changed;

    private WriteSet(DbContext handler, InboxState inbox, List<OutboxMessage> messages, List<EntityEntry> changed) =>
        (Handler, Inbox, Messages, _changed) = (handler, inbox, messages, changed);

    /// <summary>
    /// The handler's changes, or null where they can only be saved by its own context: parts of other entities, and rows that refer to a
    /// key the database has yet to give.
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
            if (entry.State != EntityState.Deleted && type.GetForeignKeys().Any(key => key.Properties.Any(property => entry.Property(property).IsTemporary)))
                return null;
            // A key the handler made up for one to come; elsewhere it would be taken for the key itself.
            if (entry.State == EntityState.Added && type.FindPrimaryKey()!.Properties.Any(property => entry.Property(property).IsTemporary && IsSet(property, entry.Entity)))
                return null;
            changed.Add(entry);
        }
        return new WriteSet(handler, inbox, messages, changed);
    }

    /// <summary>The context of the message's handler.</summary>
    public DbContext Handler { get; }

    /// <summary>Whether one of these rows is part of it.</summary>
    public bool Owns(HashSet<object> rows) =>
        rows.Contains(Inbox) || Messages.Exists(rows.Contains) || _changed.Exists(entry => rows.Contains(entry.Entity));

    /// <summary>The message's inbox row.</summary>
    public InboxState Inbox { get; }

    /// <summary>What consuming the message sent.</summary>
    public List<OutboxMessage> Messages { get; }

    /// <summary>Whether the handler's context changed anything.</summary>
    public bool HasChanges => _changed.Count > 0;

    /// <summary>
    /// Has the handler's rows tracked by another context, as they are here. Does nothing and returns false where one of them is among
    /// <paramref name="keys"/>, the keys of rows moved there before.
    /// </summary>
    public bool TryMoveTo(DbContext writer, HashSet<object> keys)
    {
        var mine = _changed.ConvertAll(KeyOf);
        if (mine.Exists(key => key is not null && keys.Contains(key)))
            return false;
        foreach (var key in mine)
        {
            if (key is not null)
                keys.Add(key);
        }
        foreach (var entry in _changed)
            Move(entry, writer.Entry(entry.Entity));
        return true;
    }

    /// <summary>The rows are stored: the handler's context need not save them any more.</summary>
    public void Accept() => Handler.ChangeTracker.AcceptAllChanges();

    private static bool IsSet(IProperty property, object row) =>
        property.PropertyInfo?.GetValue(row) is { } value && !value.Equals(property.ClrType.IsValueType ? Activator.CreateInstance(property.ClrType) : null);

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
        // Values that no property of the class holds are not brought by the object itself.
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
